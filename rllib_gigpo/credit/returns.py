"""Returns of whole episodes and of each step.

Both depend on a trajectory's rewards alone and are computed by the same operations in the same
order for every trajectory. Equal episodes therefore have bitwise equal returns, and a group of them
has no spread at all, whatever order the rows arrive in.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np


def episode_returns(rewards: np.ndarray, trajectory_ids: np.ndarray) -> np.ndarray:
    """Sum the rewards of each row's trajectory: R(τ_i) = Σ_t r_{i,t}, undiscounted.

    The sum is correctly rounded (``math.fsum``) and so does not depend on the order of the rows.

    Args:
        rewards: (R,) The environment's rewards, without penalties.
        trajectory_ids: (R,) Unique within the batch.

    Returns:
        (R,) float64.

    Raises:
        ValueError: The lengths differ, or a reward is not finite.
    """
    rewards = _checked_rewards(rewards, trajectory_ids)
    _, inverse, counts = np.unique(trajectory_ids, return_inverse=True, return_counts=True)
    by_trajectory = rewards[np.argsort(inverse, kind="stable")].tolist()
    bounds = [0, *np.cumsum(counts).tolist()]
    sums = [math.fsum(by_trajectory[start:stop]) for start, stop in pairwise(bounds)]
    return np.array(sums, dtype=np.float64)[inverse]


def step_returns(
    rewards: np.ndarray, trajectory_ids: np.ndarray, step_ids: np.ndarray, *, gamma: float
) -> np.ndarray:
    """Discount the rewards from each step on: R_{i,t} = r_{i,t} + γ R_{i,t+1} (GiGPO, eq. 5).

    Args:
        rewards: (R,) The rewards, less any penalties that count in the returns.
        trajectory_ids: (R,) Unique within the batch.
        step_ids: (R,) Ascending along a trajectory; the row with the next id is the next step.
        gamma: Discount per step, in [0, 1].

    Returns:
        (R,) float64.

    Raises:
        ValueError: The lengths differ, a reward is not finite, ``gamma`` is out of range, or a
            trajectory has two rows for one step.
    """
    if not 0.0 <= gamma <= 1.0:
        raise ValueError(f"gamma={gamma!r} must be in [0, 1]; the published runs use 0.95.")
    rewards = _checked_rewards(rewards, trajectory_ids)
    order = np.lexsort((step_ids, trajectory_ids))
    _check_steps(trajectory_ids[order], step_ids[order])
    result = np.empty_like(rewards)
    result[order] = _discount_backwards(rewards[order], trajectory_ids[order], gamma)
    return result


def _discount_backwards(
    rewards: np.ndarray, trajectory_ids: np.ndarray, gamma: float
) -> np.ndarray:
    """Discount sorted rows, from the last to the first."""
    returns, ids = rewards.tolist(), trajectory_ids.tolist()
    for row in reversed(range(len(returns) - 1)):
        if ids[row] == ids[row + 1]:
            returns[row] += gamma * returns[row + 1]
    return np.array(returns, dtype=np.float64)


def _checked_rewards(rewards: np.ndarray, trajectory_ids: np.ndarray) -> np.ndarray:
    rewards = np.asarray(rewards, dtype=np.float64)
    if rewards.ndim != 1 or rewards.shape != np.shape(trajectory_ids):
        raise ValueError(
            f"rewards {rewards.shape} and trajectory_ids {np.shape(trajectory_ids)} do not match;"
            " both need one entry per row."
        )
    if not np.isfinite(rewards).all():
        row = int(np.flatnonzero(~np.isfinite(rewards))[0])
        raise ValueError(
            f"Row {row}: the reward is {rewards[row]}, but rewards must be finite; make the"
            " environment return a finite reward, or drop the episode."
        )
    return rewards


def _check_steps(trajectory_ids: np.ndarray, step_ids: np.ndarray) -> None:
    is_twin = (trajectory_ids[1:] == trajectory_ids[:-1]) & (step_ids[1:] == step_ids[:-1])
    if is_twin.any():
        position = int(np.flatnonzero(is_twin)[0])
        raise ValueError(
            f"Trajectory {trajectory_ids[position]} has two rows for step {step_ids[position]};"
            " trajectory ids must be unique within the batch, and step ids within a trajectory."
        )

"""Temporal differences along trajectories, for rules that have state values."""

from __future__ import annotations

import numpy as np

from rllib_gigpo.credit.returns import step_returns


def next_values(values: np.ndarray, trajectory_ids: np.ndarray, step_ids: np.ndarray) -> np.ndarray:
    """Give each row the value of the next step.

    Args:
        values: (R,) The state value of each row.
        trajectory_ids: (R,) Unique within the batch.
        step_ids: (R,) Ascending along a trajectory.

    Returns:
        (R,) float64; 0 for the last step of a trajectory.
    """
    order = np.lexsort((step_ids, trajectory_ids))
    result = np.zeros(len(values))
    has_next = trajectory_ids[order][1:] == trajectory_ids[order][:-1]
    result[order[:-1][has_next]] = values[order[1:][has_next]]
    return result


def step_rewards(
    returns: np.ndarray, trajectory_ids: np.ndarray, step_ids: np.ndarray, *, gamma: float
) -> np.ndarray:
    """Recover rewards from step returns, penalties included: r_t = R_t - γ R_{t+1}.

    Args:
        returns: (R,) The step returns with the discount ``gamma``.
        trajectory_ids: (R,) Unique within the batch.
        step_ids: (R,) Ascending along a trajectory.
        gamma: Discount per step.

    Returns:
        (R,) float64.
    """
    return returns - gamma * next_values(returns, trajectory_ids, step_ids)


def accumulate(
    residuals: np.ndarray, trajectory_ids: np.ndarray, step_ids: np.ndarray, *, decay: float
) -> np.ndarray:
    """Accumulate the residuals from each step on: A_t = δ_t + decay · A_{t+1}.

    Args:
        residuals: (R,) The temporal differences δ.
        trajectory_ids: (R,) Unique within the batch.
        step_ids: (R,) Ascending along a trajectory.
        decay: γλ.

    Returns:
        (R,) float64.
    """
    return step_returns(residuals, trajectory_ids, step_ids, gamma=decay)

"""The two levels of advantages, and what may be done to their sum: whitening and clipping."""

from __future__ import annotations

import numpy as np

from rllib_gigpo.credit.group_statistics import centred, group_sizes

EPISODE_BASELINES = ("trajectory", "step")
LONE_EPISODES = ("zero", "raw")
WHITENING_EPSILON = 1e-8


def episode_advantages(
    episode_returns: np.ndarray,
    group_ids: np.ndarray,
    trajectory_ids: np.ndarray,
    *,
    baseline: str = "trajectory",
    divide_by_std: bool,
) -> np.ndarray:
    """Centre each episode's return on its group (GiGPO, eq. 3): A^E(τ_i) = (R(τ_i) - mean_g R) / F.

    Args:
        episode_returns: (R,) the return of each row's trajectory.
        group_ids: (R,) the task group of each row.
        trajectory_ids: (R,) unique over the batch.
        baseline: "trajectory": mean and F over the N trajectories of the group, as in the paper;
            "step": over its rows, so that long episodes weigh more.
        divide_by_std: Whether F is the unbiased standard deviation + 1e-6, else 1.

    Returns:
        (R,) float64, equal for all rows of a trajectory; exactly 0 for a group of one or without
        spread.

    Raises:
        ValueError: ``baseline`` is unknown, lengths differ, or a return is not finite.
    """
    if baseline not in EPISODE_BASELINES:
        raise ValueError(
            f"episode_baseline={baseline!r} is unknown; choose one of {EPISODE_BASELINES}."
        )
    if baseline == "step":
        return centred(episode_returns, group_ids, divide_by_std=divide_by_std)
    _, rows, inverse = np.unique(trajectory_ids, return_index=True, return_inverse=True)
    per_trajectory = centred(episode_returns[rows], group_ids[rows], divide_by_std=divide_by_std)
    return per_trajectory[inverse]


def group_members(
    group_ids: np.ndarray, trajectory_ids: np.ndarray, *, baseline: str
) -> np.ndarray:
    """Count what each row's group statistics run over.

    Args:
        group_ids: (R,) the task group of each row.
        trajectory_ids: (R,) unique over the batch.
        baseline: "trajectory": the episodes of the group; "step": its rows.

    Returns:
        (R,) int64, at least 1.
    """
    if baseline == "step":
        return group_sizes(group_ids)
    _, rows, inverse = np.unique(trajectory_ids, return_index=True, return_inverse=True)
    return group_sizes(group_ids[rows])[inverse]


def raw_where_alone(
    advantages: np.ndarray,
    scores: np.ndarray,
    group_ids: np.ndarray,
    trajectory_ids: np.ndarray,
    *,
    baseline: str,
) -> np.ndarray:
    """Give a row without peers its raw score, as verl-agent does, instead of 0.

    Args:
        advantages: (R,) of `episode_advantages`.
        scores: (R,) what was compared.
        group_ids: (R,) the task group of each row.
        trajectory_ids: (R,) unique over the batch.
        baseline: What makes peers, see `group_members`.

    Returns:
        (R,) float64.
    """
    members = group_members(group_ids, trajectory_ids, baseline=baseline)
    return np.where(members == 1, scores, advantages)


def step_advantages(
    step_returns: np.ndarray, anchor_group_ids: np.ndarray, *, divide_by_std: bool
) -> np.ndarray:
    """Centre each step's return on its anchor group (GiGPO, eq. 7): A^S = (R_{i,t} - mean) / F.

    Args:
        step_returns: (R,) discounted returns from each step on.
        anchor_group_ids: (R,) labels.
        divide_by_std: Whether F is the unbiased standard deviation + 1e-6, else 1.

    Returns:
        (R,) float64; exactly 0 for a group of one or without spread.
    """
    return centred(step_returns, anchor_group_ids, divide_by_std=divide_by_std)


def whiten(advantages: np.ndarray, response_lengths: np.ndarray) -> np.ndarray:
    """Give the response tokens of the batch zero mean and unit variance.

    Every token of a row has its row's advantage, so that a row counts as often as it has tokens:
    (A - mean) / sqrt(variance + 1e-8), biased variance.

    Args:
        advantages: (R,) one per row.
        response_lengths: (R,) response tokens of each row, >= 0.

    Returns:
        (R,) float64; exactly 0 everywhere if all tokens have one advantage or there are none.

    Raises:
        ValueError: Lengths differ.
    """
    values = np.asarray(advantages, dtype=np.float64)
    weights = np.asarray(response_lengths, dtype=np.float64)
    if values.shape != weights.shape:
        raise ValueError(
            f"advantages {values.shape} and response_lengths {weights.shape} must both have one"
            " entry per row."
        )
    counted = weights > 0
    if not counted.any():
        return np.zeros_like(values)
    # Relative to a counted row, equal advantages differ by exactly 0.
    shifted = values - values[counted][0]
    deviations = shifted - np.average(shifted, weights=weights)
    variance = np.average(deviations**2, weights=weights)
    return deviations / np.sqrt(variance + WHITENING_EPSILON)


def clip(advantages: np.ndarray, limit: float | None) -> np.ndarray:
    """Limit advantages to [-limit, limit]; None leaves them alone.

    Raises:
        ValueError: ``limit`` is not above 0.
    """
    if limit is None:
        return advantages
    if not limit > 0:
        raise ValueError(f"advantage_clip={limit!r} must be above 0, or None for no bound.")
    return np.clip(advantages, -limit, limit)

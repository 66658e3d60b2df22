"""Segments: the runs of steps of an episode that pursue one sub-goal."""

from __future__ import annotations

import numpy as np


def segment_ids(starts: np.ndarray, trajectory_ids: np.ndarray, step_ids: np.ndarray) -> np.ndarray:
    """Number the segments of all trajectories.

    Args:
        starts: (R,) bool, whether a step starts a segment; the first step of a trajectory does.
        trajectory_ids: (R,) Unique within the batch.
        step_ids: (R,) Ascending along a trajectory.

    Returns:
        (R,) int64, unique within the batch.
    """
    order, is_first = _in_order(starts, trajectory_ids, step_ids)
    labels = np.empty(len(order), dtype=np.int64)
    labels[order] = np.cumsum(is_first) - 1
    return labels


def across_segments(
    residuals: np.ndarray,
    starts: np.ndarray,
    trajectory_ids: np.ndarray,
    step_ids: np.ndarray,
    *,
    gamma: float,
    gae_lambda: float,
) -> np.ndarray:
    """Accumulate the residuals of segments, each of which is one long step (SMDP).

    A_k = δ_k + γ^n_k λ A_{k+1}, with n_k steps in segment k.

    Args:
        residuals: (R,) δ_k at the start of segment k; other rows are not read.
        starts: (R,) See `segment_ids`.
        trajectory_ids: (R,) Unique within the batch.
        step_ids: (R,) Ascending along a trajectory.
        gamma: Discount per step.
        gae_lambda: λ per segment.

    Returns:
        (R,) float64; 0 in rows that start no segment.
    """
    order, is_first = _in_order(starts, trajectory_ids, step_ids)
    result, num_steps, following, trajectory = np.zeros(len(order)), 0, 0.0, None
    for row, starts_here in zip(order[::-1].tolist(), is_first[::-1].tolist(), strict=True):
        if trajectory_ids[row] != trajectory:  # the last step of an episode
            num_steps, following, trajectory = 0, 0.0, trajectory_ids[row]
        num_steps += 1
        if starts_here:
            following = float(residuals[row]) + gamma**num_steps * gae_lambda * following
            result[row], num_steps = following, 0
    return result


def _in_order(
    starts: np.ndarray, trajectory_ids: np.ndarray, step_ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows in order, (R,), and in that order whether each starts a segment, (R,)."""
    order = np.lexsort((step_ids, trajectory_ids))
    ids = trajectory_ids[order]
    is_first = starts[order].copy()
    is_first[:1] = True
    is_first[1:] |= ids[1:] != ids[:-1]
    return order, is_first

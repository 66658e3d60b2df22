"""The loss of a process reward model over pairs of a success and a failure, and its gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class PairLoss:
    """The loss of a batch, and what it says of the rewards.

    Attributes:
        loss: Mean over all pairs; 0 without pairs.
        accuracy: Share of the pairs whose success has the higher score; equal scores count half.
        num_pairs: Number of pairs.
        gradients: (R,) float64, the derivative of the loss by each row's reward.
    """

    loss: float
    accuracy: float
    num_pairs: int
    gradients: np.ndarray


def pair_loss(
    rewards: np.ndarray, group_ids: np.ndarray, trajectory_ids: np.ndarray, won: np.ndarray
) -> PairLoss:
    """Compare each success with each failure of its task (iStar, arXiv 2509.19199).

        L = mean over the pairs (τ+, τ-) of all tasks of -log sigmoid(s(τ+) - s(τ-))
        s(τ) = mean of the step rewards of τ

    The paper adds the step rewards up; its code takes the mean, so long trajectories weigh no more.
    Degenerate case: a task without successes, or without failures, has no pairs.

    Args:
        rewards: (R,) The reward of each step.
        group_ids: (R,) The task group of each row.
        trajectory_ids: (R,) Unique within the batch.
        won: (R,) bool, whether the row's trajectory succeeded.

    Returns:
        The loss and its exact gradient at these rewards.
    """
    _, first, inverse, lengths = np.unique(
        trajectory_ids, return_index=True, return_inverse=True, return_counts=True
    )
    scores = np.bincount(inverse, rewards, len(first)) / lengths
    groups, is_success = group_ids[first], won[first]
    gradients, margins = np.zeros(len(first)), [np.zeros(0)]
    for group in np.unique(groups):
        good = np.flatnonzero((groups == group) & is_success)
        bad = np.flatnonzero((groups == group) & ~is_success)
        margin = scores[good][:, None] - scores[bad]
        slopes = -0.5 * (1.0 - np.tanh(0.5 * margin))  # -sigmoid(-margin)
        gradients[good] += slopes.sum(axis=1)
        gradients[bad] -= slopes.sum(axis=0)
        margins.append(margin.ravel())
    margin = np.concatenate(margins)
    divisor = max(len(margin), 1)
    return PairLoss(
        loss=float(np.logaddexp(0.0, -margin).sum() / divisor),
        accuracy=float(((margin > 0) + 0.5 * (margin == 0)).sum() / divisor),
        num_pairs=len(margin),
        gradients=(gradients / divisor / lengths)[inverse],
    )

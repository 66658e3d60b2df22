"""Episode and step advantages, and the whitening and clipping of the advantages of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rllib_gigpo.credit.group_statistics import centred, group_sizes
from rllib_gigpo.options.records import Options, require

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
        episode_returns: (R,) The return of each row's trajectory.
        group_ids: (R,) The task group of each row.
        trajectory_ids: (R,) Unique within the batch.
        baseline: "trajectory": mean and F over the N trajectories of the group, as in the paper;
            "step": over its rows, so long episodes weigh more.
        divide_by_std: Whether F is the unbiased standard deviation + 1e-6; otherwise F is 1.

    Returns:
        (R,) float64, equal for all rows of a trajectory; exactly 0 for a group of one or without
        spread.

    Raises:
        ValueError: The lengths differ, or a return is not finite.
    """
    if baseline == "step":
        return centred(episode_returns, group_ids, divide_by_std=divide_by_std)
    _, rows, inverse = np.unique(trajectory_ids, return_index=True, return_inverse=True)
    per_trajectory = centred(episode_returns[rows], group_ids[rows], divide_by_std=divide_by_std)
    return per_trajectory[inverse]


def group_members(
    group_ids: np.ndarray, trajectory_ids: np.ndarray, *, baseline: str
) -> np.ndarray:
    """Count the members of each row's group.

    Args:
        group_ids: (R,) The task group of each row.
        trajectory_ids: (R,) Unique within the batch.
        baseline: "trajectory" counts the episodes of the group, "step" its rows.

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
    """Give a row without peers its raw score instead of 0, as verl-agent does.

    Args:
        advantages: (R,) The result of `episode_advantages`.
        scores: (R,) The scores that were compared.
        group_ids: (R,) The task group of each row.
        trajectory_ids: (R,) Unique within the batch.
        baseline: What counts as a peer; see `group_members`.

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
        step_returns: (R,) The discounted return from each step on.
        anchor_group_ids: (R,) The anchor group of each row.
        divide_by_std: Whether F is the unbiased standard deviation + 1e-6; otherwise F is 1.

    Returns:
        (R,) float64; exactly 0 for a group of one or without spread.
    """
    return centred(step_returns, anchor_group_ids, divide_by_std=divide_by_std)


def expand_to_tokens(
    rows: np.ndarray, tokens: np.ndarray | None, response_lengths: np.ndarray
) -> np.ndarray:
    """Give each response token its own advantage, or that of its row.

    Args:
        rows: (R,) One advantage per row.
        tokens: (S,) One advantage per response token, row after row; None to use those of the rows.
        response_lengths: (R,) The number of response tokens in each row, >= 0.

    Returns:
        (S,) float64.

    Raises:
        ValueError: The lengths do not match.
    """
    if np.shape(rows) != np.shape(response_lengths):
        raise ValueError(
            f"advantages {np.shape(rows)} and response_lengths {np.shape(response_lengths)} do not"
            " match; both need one entry per row."
        )
    expanded = np.repeat(np.asarray(rows, dtype=np.float64), response_lengths)
    if tokens is None:
        return expanded
    if np.shape(tokens) != expanded.shape:
        raise ValueError(
            f"The rule returned {np.shape(tokens)} advantages for {expanded.shape} response tokens;"
            " return one per response token."
        )
    return np.asarray(tokens, dtype=np.float64)


def whiten(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Scale to zero mean and unit variance: (x - mean) / sqrt(biased variance + 1e-8).

    Args:
        values: (N,) The numbers to whiten.
        weights: (N,) How often each value counts, >= 0, such as the number of response tokens of
            its row; None for once each.

    Returns:
        (N,) float64; exactly 0 everywhere if all values that count are equal, or if none counts.

    Raises:
        ValueError: The lengths differ.
    """
    values = np.asarray(values, dtype=np.float64)
    weights = np.ones_like(values) if weights is None else np.asarray(weights, dtype=np.float64)
    if values.shape != weights.shape:
        raise ValueError(
            f"values {values.shape} and weights {weights.shape} must have the same length."
        )
    counted = weights > 0
    if not counted.any():
        return np.zeros_like(values)
    # Relative to a value that counts, equal values differ by exactly 0.
    shifted = values - values[counted][0]
    deviations = shifted - np.average(shifted, weights=weights)
    variance = np.average(deviations**2, weights=weights)
    return deviations / np.sqrt(variance + WHITENING_EPSILON)


@dataclass(frozen=True, slots=True)
class AdvantageScaling(Options):
    """Scaling steps for the advantages of a batch, applied in this order.

    Attributes:
        whiten: Whether to scale the advantages of the batch's response tokens to zero mean and unit
            variance.
        clip: Largest |A|, above 0; None for no bound.
    """

    whiten: bool = False
    clip: float | None = None

    def __post_init__(self) -> None:
        """Reject a bound that is not positive."""
        require(self, clip="> 0")

    def __call__(self, tokens: np.ndarray) -> np.ndarray:
        """Scale the advantages of response tokens, (S,)."""
        values = whiten(tokens) if self.whiten else tokens
        return values if self.clip is None else np.clip(values, -self.clip, self.clip)

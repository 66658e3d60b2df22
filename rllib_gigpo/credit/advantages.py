"""The two levels of advantages, and what may be done to their sum: whitening and clipping."""

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
        ValueError: Lengths differ, or a return is not finite.
    """
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


def expand_to_tokens(
    rows: np.ndarray, tokens: np.ndarray | None, response_lengths: np.ndarray
) -> np.ndarray:
    """Give each response token its advantage: its own, or its row's.

    Args:
        rows: (R,) one per row.
        tokens: (S,) one per response token, row after row; None where the rows' own hold.
        response_lengths: (R,) response tokens of each row, >= 0.

    Returns:
        (S,) float64.

    Raises:
        ValueError: The lengths do not agree.
    """
    if np.shape(rows) != np.shape(response_lengths):
        raise ValueError(
            f"advantages {np.shape(rows)} and response_lengths {np.shape(response_lengths)} must"
            " both have one entry per row."
        )
    expanded = np.repeat(np.asarray(rows, dtype=np.float64), response_lengths)
    if tokens is None:
        return expanded
    if np.shape(tokens) != expanded.shape:
        raise ValueError(
            f"The rule gave {np.shape(tokens)} advantages for {expanded.shape} response tokens."
        )
    return np.asarray(tokens, dtype=np.float64)


def whiten(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Give values zero mean and unit variance: (x - mean) / sqrt(variance + 1e-8), biased variance.

    Args:
        values: (N,).
        weights: (N,) how often each value counts, such as the response tokens of its row, >= 0;
            None for once.

    Returns:
        (N,) float64; exactly 0 everywhere if all that count are equal or none counts.

    Raises:
        ValueError: Lengths differ.
    """
    values = np.asarray(values, dtype=np.float64)
    weights = np.ones_like(values) if weights is None else np.asarray(weights, dtype=np.float64)
    if values.shape != weights.shape:
        raise ValueError(f"values {values.shape} and weights {weights.shape} must be equally long.")
    counted = weights > 0
    if not counted.any():
        return np.zeros_like(values)
    # Relative to one that counts, equal values differ by exactly 0.
    shifted = values - values[counted][0]
    deviations = shifted - np.average(shifted, weights=weights)
    variance = np.average(deviations**2, weights=weights)
    return deviations / np.sqrt(variance + WHITENING_EPSILON)


@dataclass(frozen=True, slots=True)
class AdvantageScaling(Options):
    """What is done to the advantages of a batch, in this order.

    Attributes:
        whiten: Give the batch's response tokens zero mean and unit variance.
        clip: Bound on |A|, above 0; None for none.
    """

    whiten: bool = False
    clip: float | None = None

    def __post_init__(self) -> None:
        """Check the bound."""
        require(self, clip="> 0")

    def __call__(self, tokens: np.ndarray) -> np.ndarray:
        """Scale (S,) advantages of response tokens."""
        values = whiten(tokens) if self.whiten else tokens
        return values if self.clip is None else np.clip(values, -self.clip, self.clip)

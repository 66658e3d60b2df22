"""Chooses the ratio's old log-probs, and compares the engine's log-probs with the Learner's."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from rllib_gigpo.learner.scoring import ForwardSettings, score_all
from rllib_gigpo.learner.sharding.sharding import Sharding
from rllib_gigpo.learner.update_data import UpdateData
from rllib_gigpo.loss.mismatch import ImportanceSettings, importance_weights
from rllib_gigpo.models.model_adapter import ModelAdapter

MISMATCH_METRICS = ("rollout_kl", "importance_mean", "importance_capped_share")


@dataclass(frozen=True, slots=True)
class OldLogp:
    """Where the ratio's old log-probs come from.

    Attributes:
        is_recomputed: Whether the Learner computes them; otherwise they are the engine's.
        importance: Weights that correct for the engine's probabilities; None for no correction.
    """

    is_recomputed: bool
    importance: ImportanceSettings | None = None


def resolve_old_logp(
    old_logp: str, importance: ImportanceSettings | None, *, is_equal: bool
) -> OldLogp:
    """Resolve the settings ``old_logp`` and ``importance_sampling``.

    "auto" takes the engine's log-probs if engine and Learner compute alike. If not, or if weights
    are set, it recomputes them, by default with a capped weight per token.

    Args:
        old_logp: "auto", "rollout" or "recompute".
        importance: The weights that are set, if any.
        is_equal: Whether engine and Learner compute in the same type.
    """
    if old_logp == "recompute":
        return OldLogp(True, importance)
    if old_logp == "rollout" or (is_equal and importance is None):
        return OldLogp(False)
    return OldLogp(True, importance or ImportanceSettings())


def recompute_old_logp(
    adapter: ModelAdapter,
    data: UpdateData,
    importance: ImportanceSettings | None,
    *,
    forward: ForwardSettings,
    sharding: Sharding,
) -> tuple[UpdateData, dict[str, float]]:
    """Score all response tokens with the weights that sampled them.

    The ratio then starts at exactly 1. If the engine uses other kernels or another precision,
    ``importance`` corrects for the difference.

    Args:
        adapter: The policy's adapter.
        data: A Learner's rows.
        importance: How tokens are weighted; None for no correction.
        forward: The device and precision.
        sharding: Sums the metrics over the Learners.

    Returns:
        The data with ``old_logp`` and, if requested, ``importance``; and the metrics
        ``rollout_kl`` (mean of rollout_logp - old_logp, an estimate of the divergence),
        ``max_abs_logp_diff``, ``importance_mean`` and ``importance_capped_share``.
    """
    old_logp = score_all(adapter, data, forward)
    columns = replace(data.columns, old_logp=old_logp)
    weights, is_beyond = torch.ones_like(old_logp), torch.zeros_like(old_logp)
    if importance is not None:
        weights, beyond = importance_weights(
            old_logp, columns.rollout_logp, columns.row_ids, importance
        )
        is_beyond = beyond.to(old_logp.dtype)
        columns = replace(columns, importance=weights)
    difference = columns.rollout_logp - old_logp
    metrics = _metrics(difference, weights, is_beyond, columns.metric_weights, sharding)
    return replace(data, columns=columns), metrics


def _metrics(
    difference: torch.Tensor,
    importance: torch.Tensor,
    is_beyond: torch.Tensor,
    weights: torch.Tensor,
    sharding: Sharding,
) -> dict[str, float]:
    values = torch.stack([torch.ones_like(difference), difference, importance, is_beyond]).double()
    sums = values @ weights.double()
    counted = torch.where(weights > 0, difference.abs().nan_to_num(nan=math.inf), 0.0)
    largest = torch.cat([counted, difference.new_zeros(1)]).max()
    sharding.reduce(sums)
    sharding.reduce(largest, maximum=True)
    num_tokens, *rest = sums.tolist()
    if not num_tokens:
        return {}
    means = [value / num_tokens for value in rest]
    return {
        **dict(zip(MISMATCH_METRICS, means, strict=True)),
        "max_abs_logp_diff": largest.item(),
    }

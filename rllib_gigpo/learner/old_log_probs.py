"""What the ratio starts from, and how far the engine's log-probs are from the Learner's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from rllib_gigpo.learner.scoring import score_all
from rllib_gigpo.learner.update_data import UpdateData
from rllib_gigpo.learner.update_sums import reduce_over_learners
from rllib_gigpo.loss.mismatch import ImportanceSettings, importance_weights

MISMATCH_METRICS = ("rollout_kl", "importance_mean", "importance_capped_share")


class RecomputedLogProbs:
    """``old_logp="recompute"``: the Learner's own, before the first step of the update.

    The ratio then starts at exactly 1. Where the engine computes with other kernels or in another
    precision, ``importance_sampling`` corrects for the difference.
    """

    def __init__(self, config: Any) -> None:
        """Read how tokens are weighed."""
        self._importance = None
        if config.importance_sampling is not None:
            self._importance = ImportanceSettings(
                level=config.importance_sampling,
                cap=config.importance_cap,
                mask=config.importance_mask,
            )

    def apply(
        self,
        model: torch.nn.Module,
        data: UpdateData,
        config: Any,
        device: torch.device,
    ) -> tuple[UpdateData, dict[str, float]]:
        """Score all response tokens with the weights that sampled them.

        Args:
            model: The policy.
            data: A Learner's packed rows.
            config: As for `score_all`.
            device: Of the model.

        Returns:
            The data with ``old_logp`` and, if asked for, ``importance``; and the metrics:
            ``rollout_kl`` (mean of rollout_logp - old_logp, an estimate of the divergence),
            ``max_abs_logp_diff``, ``importance_mean``, ``importance_capped_share``.
        """
        old_logp = score_all(model, data, config, device)
        columns = replace(data.columns, old_logp=old_logp)
        importance, is_beyond = torch.ones_like(old_logp), torch.zeros_like(old_logp)
        if self._importance is not None:
            importance, beyond = importance_weights(
                old_logp, columns.rollout_logp, columns.row_ids, self._importance
            )
            is_beyond = beyond.to(old_logp.dtype)
            columns = replace(columns, importance=importance)
        difference = columns.rollout_logp - old_logp
        metrics = _metrics(difference, importance, is_beyond, columns.metric_weights, config)
        return replace(data, columns=columns), metrics


def _metrics(
    difference: torch.Tensor,
    importance: torch.Tensor,
    is_beyond: torch.Tensor,
    weights: torch.Tensor,
    config: Any,
) -> dict[str, float]:
    is_distributed = config.num_learners > 1
    values = torch.stack([torch.ones_like(difference), difference, importance, is_beyond]).double()
    sums = values @ weights.double()
    largest = torch.cat([(difference.abs() * (weights > 0)), difference.new_zeros(1)]).max()
    reduce_over_learners(sums, is_distributed=is_distributed)
    reduce_over_learners(largest, is_distributed=is_distributed, maximum=True)
    num_tokens, *rest = sums.tolist()
    means = [value / num_tokens if num_tokens else 0.0 for value in rest]
    return {
        **dict(zip(MISMATCH_METRICS, means, strict=True)),
        "max_abs_logp_diff": largest.item(),
    }

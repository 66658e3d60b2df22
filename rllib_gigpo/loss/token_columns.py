"""The per-token inputs of the objective."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from rllib_gigpo.lazy_torch import torch


@dataclass(frozen=True, slots=True)
class TokenColumns:
    """Columns over S response tokens, those of a Learner or of a micro-batch.

    Attributes:
        rollout_logp: (S,) Log-probabilities that the engine sampled with.
        old_logp: (S,) Denominator of the ratio: ``rollout_logp``, or recomputed by the Learner.
        advantages: (S,) Advantage of each token.
        loss_weights: (S,) v of `LossAggregation.token_weights`.
        metric_weights: (S,) Weight of the token's row, for the metrics.
        row_ids: (S,) int64, the row of each token, unique within the Learner.
        ref_logp: (S,) Log-probabilities under the reference; None without a KL term.
        importance: (S,) Factor of the policy loss that corrects for the engine; None for 1.
        fresh_weights: (S,) `metric_weights`, but 0 for tokens that older weights sampled; None if
            there are no such tokens.
    """

    rollout_logp: torch.Tensor
    old_logp: torch.Tensor
    advantages: torch.Tensor
    loss_weights: torch.Tensor
    metric_weights: torch.Tensor
    row_ids: torch.Tensor
    ref_logp: torch.Tensor | None = None
    importance: torch.Tensor | None = None
    fresh_weights: torch.Tensor | None = None

    def select(self, indices: torch.Tensor) -> TokenColumns:
        """Select some tokens.

        Args:
            indices: (K,) int64, the tokens.

        Returns:
            Their columns, (K,) each.
        """

        def taken(column: Any) -> Any:
            return None if column is None else column[indices]

        return TokenColumns(
            **{field.name: taken(getattr(self, field.name)) for field in fields(self)}
        )

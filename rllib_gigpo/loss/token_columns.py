"""Per-token inputs of the objective."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class TokenColumns:
    """Over S response tokens, those of a Learner or of a micro-batch.

    Attributes:
        rollout_logp: (S,) log-probabilities that the engine sampled with.
        old_logp: (S,) log-probabilities that the ratio starts from: those, or recomputed ones.
        advantages: (S,).
        loss_weights: (S,) v of `token_loss_weights`.
        metric_weights: (S,) weight of the token's row, for the metrics.
        row_ids: (S,) int64, the row of each token, unique over the Learner's rows.
        ref_logp: (S,) under the reference, or None without a KL term.
        importance: (S,) factor of the policy loss that corrects for the sampler, or None.
    """

    rollout_logp: torch.Tensor
    old_logp: torch.Tensor
    advantages: torch.Tensor
    loss_weights: torch.Tensor
    metric_weights: torch.Tensor
    row_ids: torch.Tensor
    ref_logp: torch.Tensor | None = None
    importance: torch.Tensor | None = None

    def select(self, indices: torch.Tensor) -> TokenColumns:
        """Take some tokens.

        Args:
            indices: (K,) int64.

        Returns:
            Their columns, (K,) each.
        """

        def taken(column: Any) -> Any:
            return None if column is None else column[indices]

        return TokenColumns(
            **{field.name: taken(getattr(self, field.name)) for field in fields(self)}
        )

"""Correction for a sampler whose probabilities are not quite the Learner's.

Truncated importance sampling: the policy loss of a token is multiplied by how much likelier the
Learner finds it (or its whole answer) than the engine that sampled it did, up to a cap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from rllib_gigpo.loss.row_sums import sum_per_row
from rllib_gigpo.options.records import Options, require

_LOG_BOUND = 20.0  # exp(20) is finite in every dtype with 8 exponent bits


@dataclass(frozen=True, slots=True)
class ImportanceSettings(Options):
    """How tokens are weighed.

    Attributes:
        level: "token": w = exp(old_logp - rollout_logp); "sequence": the product over the answer.
        cap: Largest weight, above 0.
        mask: Whether a weight beyond the cap becomes 0 instead of the cap.
    """

    short: ClassVar[str | None] = "level"

    level: Literal["token", "sequence"] = "token"
    cap: float = 2.0
    mask: bool = False

    def __post_init__(self) -> None:
        """Refuse a cap that leaves nothing."""
        require(self, cap="> 0")


def importance_weights(
    old_logp: torch.Tensor,
    rollout_logp: torch.Tensor,
    row_ids: torch.Tensor,
    settings: ImportanceSettings,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weigh each token.

    Args:
        old_logp: (S,) the Learner's, of the weights that sampled.
        rollout_logp: (S,) the engine's.
        row_ids: (S,) int64, the row of each token; whole rows.
        settings: Level, cap and what lies beyond it.

    Returns:
        The weights (S,) without gradient, and a boolean (S,): True beyond the cap.
    """
    log_weights = (old_logp - rollout_logp).detach()
    if settings.level == "sequence":
        log_weights = sum_per_row(log_weights, row_ids)
    weights = log_weights.clamp(max=_LOG_BOUND).exp()
    is_beyond = weights > settings.cap
    return weights.masked_fill(is_beyond, 0.0 if settings.mask else settings.cap), is_beyond

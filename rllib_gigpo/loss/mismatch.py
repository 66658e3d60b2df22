"""Correction for an engine whose probabilities differ slightly from the Learner's.

Truncated importance sampling: the policy loss of a token is multiplied by the ratio of the
Learner's probability of the token (or of its whole answer) to the engine's, up to a cap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from rllib_gigpo.lazy_torch import torch
from rllib_gigpo.loss.row_sums import sum_per_row
from rllib_gigpo.options.records import Options, require

OldLogpSource = Literal["auto", "rollout", "recompute"]  # of the ratio

_LOG_BOUND = 20.0  # exp(20) is finite in every dtype with 8 exponent bits


@dataclass(frozen=True, slots=True)
class ImportanceSettings(Options):
    """Importance weights of tokens.

    Attributes:
        level: "token": w = exp(old_logp - rollout_logp); "sequence": the product of these over the
            answer.
        cap: Largest weight, above 0.
        mask: Whether a weight above the cap becomes 0; otherwise it becomes the cap.
    """

    short: ClassVar[str | None] = "level"

    level: Literal["token", "sequence"] = "token"
    cap: float = 2.0
    mask: bool = False

    def __post_init__(self) -> None:
        """Reject a cap that is not positive."""
        require(self, cap="> 0")


def importance_weights(
    old_logp: torch.Tensor,
    rollout_logp: torch.Tensor,
    row_ids: torch.Tensor,
    settings: ImportanceSettings,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the importance weight of each token.

    Args:
        old_logp: (S,) The Learner's log-probabilities under the weights that sampled.
        rollout_logp: (S,) The engine's log-probabilities.
        row_ids: (S,) int64, the row of each token; every row must be complete.
        settings: Level, cap and mask.

    Returns:
        The weights (S,) without gradient, and (S,) bool: True above the cap.
    """
    log_weights = (old_logp - rollout_logp).detach()
    if settings.level == "sequence":
        log_weights = sum_per_row(log_weights, row_ids)
    weights = log_weights.clamp(max=_LOG_BOUND).exp()
    is_beyond = weights > settings.cap
    return weights.masked_fill(is_beyond, 0.0 if settings.mask else settings.cap), is_beyond

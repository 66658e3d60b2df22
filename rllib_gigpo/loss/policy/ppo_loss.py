"""PPO's clip, with clip-higher and dual clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rllib_gigpo.lazy_torch import torch
from rllib_gigpo.loss.policy.policy_loss import ClippedLoss
from rllib_gigpo.loss.token_columns import TokenColumns


@dataclass(frozen=True, slots=True, kw_only=True)
class PPOLoss(ClippedLoss):
    """PPO's loss (arXiv 1707.06347).

    With ρ = exp(logp - old_logp) the loss is ``max(-ρA, -clip(ρ, 1-ε_low, 1+ε_high)·A)``. A dual
    clip c bounds it by ``-cA`` where A < 0, so a bad token whose ratio has exploded cannot dominate
    (arXiv 1912.09729). ε_high > ε_low is DAPO's clip-higher.

    Attributes:
        dual_clip: Largest ratio where the advantage is negative, c > 1; None for no bound.
    """

    name: ClassVar[str] = "ppo"

    dual_clip: float | None = 3.0

    def __post_init__(self) -> None:
        """Reject bounds out of range."""
        ClippedLoss.__post_init__(self)
        if self.dual_clip is not None and self.dual_clip <= 1:
            raise ValueError(f"dual_clip={self.dual_clip!r} must be above 1, or None")

    def __call__(
        self, logp: torch.Tensor, columns: TokenColumns
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Clip each token separately; see the base class."""
        loss, is_clipped = self.clipped(logp - columns.old_logp, columns.advantages)
        if self.dual_clip is None:
            return loss, is_clipped
        bound = -self.dual_clip * columns.advantages
        is_bounded = (columns.advantages < 0) & (loss > bound)
        return torch.where(is_bounded, bound, loss), is_clipped | is_bounded.detach()

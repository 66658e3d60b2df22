"""CISPO: REINFORCE with a clipped importance weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rllib_gigpo.lazy_torch import torch
from rllib_gigpo.loss.policy.policy_loss import ClippedLoss
from rllib_gigpo.loss.token_columns import TokenColumns


@dataclass(frozen=True, slots=True, kw_only=True)
class CISPOLoss(ClippedLoss):
    """REINFORCE with a clipped importance weight (CISPO, arXiv 2506.13585, eq. 4-5).

    ``-sg(clip(ρ, 1-ε_low, 1+ε_high))·A·logp``: unlike in PPO, a clipped token keeps its gradient.
    ε_low = 1 means no lower bound, as published.
    """

    name: ClassVar[str] = "cispo"

    def __post_init__(self) -> None:
        """Reject bounds out of range; a ratio is above 0, so ε_low may be 1."""
        if not 0.0 < self.clip_param <= 1.0:
            raise ValueError(f"clip_param={self.clip_param!r} must be in (0, 1]")
        self._check_high()

    def __call__(
        self, logp: torch.Tensor, columns: TokenColumns
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Weigh each token's log-probability; see the base class."""
        ratio = (logp - columns.old_logp).detach().exp()
        weight = ratio.clamp(*self.bounds)
        return -weight * columns.advantages * logp, weight != ratio

"""The policy loss of each token: PPO's clip, GSPO's sequence ratio, CISPO's clipped weight."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from rllib_gigpo.loss.token_columns import TokenColumns

POLICY_LOSSES = ("ppo", "gspo", "cispo")
GSPO_LOG_RATIO_BOUND = 10.0


class PolicyLoss(ABC):
    """Log-probabilities and advantages -> losses. A = 0 gives a loss and a gradient of 0."""

    @abstractmethod
    def __call__(
        self, logp: torch.Tensor, columns: TokenColumns
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the loss of each token.

        Args:
            logp: (S,) under the policy; carries the gradient.
            columns: The other inputs; whole rows.

        Returns:
            The losses (S,), and a boolean (S,): True where a clip is active.
        """


@dataclass(frozen=True, slots=True)
class PPOLoss(PolicyLoss):
    """PPO's clip, with clip-higher and dual clip.

    With ρ = exp(logp - old_logp) the loss is ``max(-ρA, -clip(ρ, 1-ε_low, 1+ε_high)·A)``; a dual
    clip c bounds it by ``-cA`` where A < 0, so that a bad token whose ratio has exploded cannot
    dominate (arXiv 1912.09729). A larger ε_high than ε_low is DAPO's clip-higher.

    Attributes:
        clip_low: ε_low, in [0, 1).
        clip_high: ε_high >= 0.
        dual_clip: c > 1, or None for none.
    """

    clip_low: float = 0.2
    clip_high: float = 0.2
    dual_clip: float | None = 3.0

    def __call__(
        self, logp: torch.Tensor, columns: TokenColumns
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Clip each token on its own, see the base class."""
        loss, is_clipped = _clipped(logp - columns.old_logp, columns.advantages, self)
        if self.dual_clip is None:
            return loss, is_clipped
        bound = -self.dual_clip * columns.advantages
        is_bounded = (columns.advantages < 0) & (loss > bound)
        return torch.where(is_bounded, bound, loss), is_clipped | is_bounded.detach()


@dataclass(frozen=True, slots=True)
class GSPOLoss(PolicyLoss):
    """One ratio per answer, the geometric mean of its tokens' (GSPO, arXiv 2507.18071, eq. 5-7).

    The ratio of each token has the value s = exp(mean log-ratio of its row), the mean at most 10,
    and the gradient of its own log-probability (GSPO-token); PPO's clip then holds whole answers.

    Attributes:
        clip_low: ε_low; published 3e-4.
        clip_high: ε_high; published 4e-4.
    """

    clip_low: float = 3e-4
    clip_high: float = 4e-4

    def __call__(
        self, logp: torch.Tensor, columns: TokenColumns
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Clip each answer as a whole, see the base class."""
        mean = mean_per_row((logp - columns.old_logp).detach(), columns.row_ids)
        log_ratio = mean.clamp(max=GSPO_LOG_RATIO_BOUND) + logp - logp.detach()
        return _clipped(log_ratio, columns.advantages, self)


@dataclass(frozen=True, slots=True)
class CISPOLoss(PolicyLoss):
    """REINFORCE with a clipped importance weight (CISPO, arXiv 2506.13585, eq. 4-5).

    ``-sg(clip(ρ, 1-ε_low, 1+ε_high))·A·logp``: unlike with PPO's clip no token loses its gradient.

    Attributes:
        clip_low: ε_low; 1 for no lower bound, as published.
        clip_high: ε_high.
    """

    clip_low: float = 1.0
    clip_high: float = 0.2

    def __call__(
        self, logp: torch.Tensor, columns: TokenColumns
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Weigh each token's log-probability, see the base class."""
        ratio = (logp - columns.old_logp).detach().exp()
        weight = ratio.clamp(1.0 - self.clip_low, 1.0 + self.clip_high)
        return -weight * columns.advantages * logp, weight != ratio


def make_policy_loss(
    name: str, *, clip_low: float, clip_high: float, dual_clip: float | None
) -> PolicyLoss:
    """Build a policy loss by its name.

    Args:
        name: One of `POLICY_LOSSES`.
        clip_low: ε_low.
        clip_high: ε_high.
        dual_clip: For "ppo" only.

    Raises:
        ValueError: ``name`` is unknown.
    """
    if name == "ppo":
        return PPOLoss(clip_low=clip_low, clip_high=clip_high, dual_clip=dual_clip)
    if name == "gspo":
        return GSPOLoss(clip_low=clip_low, clip_high=clip_high)
    if name == "cispo":
        return CISPOLoss(clip_low=clip_low, clip_high=clip_high)
    raise ValueError(f"policy_loss={name!r} is unknown; use one of {', '.join(POLICY_LOSSES)}.")


def sum_per_row(values: torch.Tensor, row_ids: torch.Tensor) -> torch.Tensor:
    """Add up the tokens of each row.

    Args:
        values: (S,).
        row_ids: (S,) int64.

    Returns:
        (S,): each token gets its row's sum.
    """
    rows, inverse = torch.unique(row_ids, return_inverse=True)
    return values.new_zeros(len(rows)).index_add(0, inverse, values)[inverse]


def mean_per_row(values: torch.Tensor, row_ids: torch.Tensor) -> torch.Tensor:
    """Average over the tokens of each row, as `sum_per_row` adds them up."""
    return sum_per_row(values, row_ids) / sum_per_row(torch.ones_like(values), row_ids)


def _clipped(
    log_ratio: torch.Tensor, advantages: torch.Tensor, bounds: PPOLoss | GSPOLoss
) -> tuple[torch.Tensor, torch.Tensor]:
    ratio = log_ratio.exp()
    unclipped = -ratio * advantages
    clipped = -ratio.clamp(1.0 - bounds.clip_low, 1.0 + bounds.clip_high) * advantages
    return torch.maximum(unclipped, clipped), (clipped > unclipped).detach()

"""GSPO: one ratio per answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rllib_gigpo.lazy_torch import torch
from rllib_gigpo.loss.policy.policy_loss import ClippedLoss
from rllib_gigpo.loss.row_sums import mean_per_row
from rllib_gigpo.loss.token_columns import TokenColumns

LOG_RATIO_BOUND = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GSPOLoss(ClippedLoss):
    """One ratio per answer: the geometric mean of its tokens' (GSPO, arXiv 2507.18071, eq. 5-7).

    The ratio of each token has the value s = exp(mean log-ratio of its row), where the mean is
    clamped to at most 10, and the gradient of the token's own log-probability (GSPO-token). PPO's
    clip then applies to whole answers. The ratio of an answer hardly ever leaves [0.8, 1.2]; the
    published clip ranges are 3e-4 and 4e-4.
    """

    name: ClassVar[str] = "gspo"
    aggregation: ClassVar[str | None] = "seq_mean_token_mean"

    def __call__(
        self, logp: torch.Tensor, columns: TokenColumns
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Clip each answer as a whole; see the base class."""
        mean = mean_per_row((logp - columns.old_logp).detach(), columns.row_ids)
        log_ratio = mean.clamp(max=LOG_RATIO_BOUND) + logp - logp.detach()
        return self.clipped(log_ratio, columns.advantages)

"""Anchor-GAE: the mean return of a state's anchor group instead of a critic.

After GAGPO, arXiv 2605.13217. We know the paper only from a summary, so its exact normalisation may
differ.

    V(s_{i,t}) = mean of the step returns in the anchor group of (i, t)
    δ_{i,t} = r_{i,t} + γ V(s_{i,t+1}) - V(s_{i,t}),  V = 0 after the last step
    A_{i,t} = Σ_{l>=0} (γλ)^l δ_{i,t+l}, then centred over the rows of the task and divided by F

F is the unbiased standard deviation + 1e-6, or 1. Degenerate cases: a task whose rows have no
spread gives exactly 0; the value of a state seen once is its own return, so if no state recurs all
δ are 0, up to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.gae import accumulate, next_values, step_rewards
from rllib_gigpo.credit.group_statistics import centred, group_means
from rllib_gigpo.credit.rules.credit_rule import Advantages, CreditRule
from rllib_gigpo.options.records import require


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorGAERule(CreditRule):
    """GAE over the values of anchor groups.

    Attributes:
        gamma: Discount per step.
        gae_lambda: λ of GAE: 1 relies on the returns, 0 on the values.
        normalize_by_std: Whether to divide by the standard deviation, F; otherwise F is 1.
    """

    name: ClassVar[str] = "anchor_gae"
    needs: ClassVar[frozenset[str] | None] = frozenset(
        {
            names.GROUP_IDS,
            names.TRAJECTORY_IDS,
            names.STEP_IDS,
            names.STEP_RETURNS,
            names.ANCHOR_GROUP_IDS,
            names.ROW_PENALTIES,
        }
    )

    gamma: float = 0.95
    gae_lambda: float = 0.95
    normalize_by_std: bool = True

    def __post_init__(self) -> None:
        """Reject a λ out of range."""
        require(self, gae_lambda=">= 0, <= 1")

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Accumulate temporal differences; see the base class."""
        order = columns[names.TRAJECTORY_IDS], columns[names.STEP_IDS]
        returns = columns[names.STEP_RETURNS]
        values = group_means(returns, columns[names.ANCHOR_GROUP_IDS])
        rewards = step_rewards(returns, *order, gamma=self.gamma)
        residuals = rewards + self.gamma * next_values(values, *order) - values
        advantages = accumulate(residuals, *order, decay=self.gamma * self.gae_lambda)
        advantages = centred(
            advantages - columns[names.ROW_PENALTIES],
            columns[names.GROUP_IDS],
            divide_by_std=self.normalize_by_std,
        )
        return Advantages(episode=np.zeros_like(advantages), step=advantages, total=advantages)

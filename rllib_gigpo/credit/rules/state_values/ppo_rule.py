"""PPO: generalised advantage estimation across the steps of an episode, with a critic.

Papers: PPO, arXiv 1707.06347; GAE, arXiv 1506.02438, eq. 16.

    δ_{i,t} = r_{i,t} + γ V(s_{i,t+1}) - V(s_{i,t})
    A_{i,t} = Σ_{l>=0} (γλ)^l δ_{i,t+l},  value target V(s_{i,t}) + A_{i,t}

A step is one answer, and its state is the prompt. V after the last step is 0 if the episode
terminated, and the critic's value of the final state if it was truncated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.gae import accumulate, next_values, step_rewards
from rllib_gigpo.credit.rules.credit_rule import Advantages, CreditRule
from rllib_gigpo.options.records import require


@dataclass(frozen=True, slots=True, kw_only=True)
class PPORule(CreditRule):
    """GAE with the critic's values.

    Attributes:
        gamma: Discount per step.
        gae_lambda: λ of GAE: 1 relies on the returns, 0 on the values.
    """

    name: ClassVar[str] = "ppo"
    needs: ClassVar[frozenset[str] | None] = frozenset(
        {
            names.TRAJECTORY_IDS,
            names.STEP_IDS,
            names.STEP_RETURNS,
            names.ROW_PENALTIES,
            names.VALUES,
            names.BOOTSTRAP_VALUES,
        }
    )

    gamma: float = 0.95
    gae_lambda: float = 0.95

    def __post_init__(self) -> None:
        """Reject a λ out of range."""
        require(self, gae_lambda=">= 0, <= 1")

    @property
    def compares_within_groups(self) -> bool:
        """False: the critic is the baseline."""
        return False

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Accumulate temporal differences; see the base class."""
        order = columns[names.TRAJECTORY_IDS], columns[names.STEP_IDS]
        values = np.asarray(columns[names.VALUES], dtype=np.float64)
        following = next_values(values, *order) + columns[names.BOOTSTRAP_VALUES]
        rewards = step_rewards(columns[names.STEP_RETURNS], *order, gamma=self.gamma)
        residuals = rewards + self.gamma * following - values
        advantages = accumulate(residuals, *order, decay=self.gamma * self.gae_lambda)
        targets = values + advantages
        advantages = advantages - columns[names.ROW_PENALTIES]
        return Advantages(
            episode=np.zeros_like(advantages),
            step=advantages,
            total=advantages,
            value_targets=targets,
        )

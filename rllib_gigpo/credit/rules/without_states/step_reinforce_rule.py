"""Step-REINFORCE: each step's own discounted return, normalised over rows.

Source: alibaba/ROLL, agentic pipeline, ``adv_estimator: step_reinforce``.

    A_{i,t} = normalised R_{i,t} = Σ_{k>=t} γ^{k-t} r_{i,k}

``reward_normalization`` sets the rows and the method; by default the rows of each task are centred.
Degenerate cases: rows without spread give exactly 0, except with the method "identity".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.reward_normalization import RewardNormalization
from rllib_gigpo.credit.rules.credit_rule import Advantages, CreditRule


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReinforceRule(CreditRule):
    """Normalised step returns.

    Attributes:
        reward_normalization: ROLL's grouping and method.
    """

    name: ClassVar[str] = "step_reinforce"
    needs: ClassVar[frozenset[str] | None] = frozenset(
        {names.GROUP_IDS, names.TAG_IDS, names.STEP_RETURNS, names.ROW_PENALTIES}
    )

    reward_normalization: RewardNormalization = RewardNormalization()  # noqa: RUF009 - frozen

    @property
    def compares_within_groups(self) -> bool:
        """True if ``reward_normalization`` compares within groups."""
        return self.reward_normalization.compares_within_groups

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Normalise the step returns; see the base class."""
        returns = columns[names.STEP_RETURNS] - columns[names.ROW_PENALTIES]
        advantages = self.reward_normalization(returns, self.reward_normalization.labels(columns))
        return Advantages(episode=np.zeros_like(advantages), step=advantages, total=advantages)

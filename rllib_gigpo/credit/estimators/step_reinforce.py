"""Step-REINFORCE: each step's own discounted return, made comparable over rows.

Source: alibaba/ROLL, agentic pipeline, ``adv_estimator: step_reinforce``.

    A_{i,t} = normalised R_{i,t} = Σ_{k>=t} γ^{k-t} r_{i,k}

``reward_normalization`` says over which rows and how; by default all rows of the task are centred.
Degenerate cases: rows without spread give exactly 0, except with the method "identity".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.estimators.base import Advantages, Estimator
from rllib_gigpo.credit.penalties import (
    ROW_PENALTY_MODES,
    check_penalty_mode,
    penalised_step_returns,
)
from rllib_gigpo.credit.reward_normalization import RewardNormalization


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReinforce(Estimator):
    """Step returns.

    Attributes:
        reward_normalization: ROLL's grouping and method; None for `RewardNormalization`'s own.
        penalty_mode: "return" or "row".
    """

    name: ClassVar[str] = "step_reinforce"
    needs: ClassVar[frozenset[str]] = frozenset(
        {names.GROUP_IDS, names.TAG_IDS, names.STEP_RETURNS, names.PENALTIES}
    )

    reward_normalization: Mapping[str, Any] | RewardNormalization | None = None
    penalty_mode: str = "return"

    def __post_init__(self) -> None:
        """Refuse unknown choices."""
        self._normalization()
        check_penalty_mode(self.penalty_mode, modes=ROW_PENALTY_MODES)

    @property
    def compares_within_groups(self) -> bool:
        """As `reward_normalization` says."""
        return self._normalization().compares_within_groups

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Normalise the step returns, see the base class."""
        returns = penalised_step_returns(
            columns[names.STEP_RETURNS], columns[names.PENALTIES], mode=self.penalty_mode
        )
        normalization = self._normalization()
        advantages = normalization(returns, normalization.labels(columns))
        return Advantages(episode=np.zeros_like(advantages), step=advantages, total=advantages)

    def _normalization(self) -> RewardNormalization:
        return RewardNormalization.from_setting(self.reward_normalization or {})

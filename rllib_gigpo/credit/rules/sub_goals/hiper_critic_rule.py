"""HiPER with a critic, as in the paper, arXiv 2602.16165; see `hiper_rule` for the formulas.

V(s) is the critic's value of a prompt, which shows the sub-goal pursued so far. The paper's critic
has a head for each kind of decision; ours has one value. After a truncated episode, V is that of
the prompt that would have come next. The critic learns V(s_t) + A_t with the A_t of the action.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.batch.sub_goal_step import TokenLevel
from rllib_gigpo.credit.rules.credit_rule import Advantages
from rllib_gigpo.credit.rules.sub_goals.hiper_rule import HIPER_COLUMNS, HiPERRule


@dataclass(frozen=True, slots=True, kw_only=True)
class HiPERCriticRule(HiPERRule):
    """Hierarchical advantages over the values of a critic."""

    name: ClassVar[str] = "hiper_critic"
    needs: ClassVar[frozenset[str] | None] = HIPER_COLUMNS | {
        names.VALUES,
        names.BOOTSTRAP_VALUES,
    }

    @property
    def compares_within_groups(self) -> bool:
        """False: the critic is the baseline."""
        return False

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Compute the advantages, and the targets of the critic; see the base class."""
        turns = self.levels(columns)[TokenLevel.ACTION]
        advantages = HiPERRule.__call__(self, columns)
        return replace(advantages, value_targets=columns[names.VALUES] + turns)

    def values(self, columns: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return the critic's values; see the base class."""
        values = np.asarray(columns[names.VALUES], dtype=np.float64)
        return values, columns[names.BOOTSTRAP_VALUES]

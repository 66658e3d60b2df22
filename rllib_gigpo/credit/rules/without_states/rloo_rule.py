"""RLOO: each episode against the mean of the other episodes in its group.

Paper: Back to Basics, arXiv 2402.14740, eq. 8, with episodes instead of answers.

    A_{i,t} = R(τ_i) - mean of R(τ_j), j ≠ i, = N/(N-1) · (R(τ_i) - mean of the group)

``episode_baseline="step"`` leaves one *row* out instead, as verl-agent does. Degenerate cases: a
group of one, or without spread, gives exactly 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.advantages import episode_advantages, group_members
from rllib_gigpo.credit.rules.credit_rule import Advantages, CreditRule


@dataclass(frozen=True, slots=True, kw_only=True)
class RLOORule(CreditRule):
    """Episode returns against a leave-one-out baseline.

    Attributes:
        episode_baseline: Whether the mean runs over the other episodes ("trajectory") or the other
            rows ("step").
    """

    name: ClassVar[str] = "rloo"
    needs: ClassVar[frozenset[str] | None] = frozenset(
        {names.GROUP_IDS, names.TRAJECTORY_IDS, names.EPISODE_RETURNS, names.ROW_PENALTIES}
    )

    episode_baseline: Literal["trajectory", "step"] = "trajectory"

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Compare with the rest of the group and subtract row penalties; see the base class."""
        group_ids, trajectory_ids = columns[names.GROUP_IDS], columns[names.TRAJECTORY_IDS]
        advantages = episode_advantages(
            columns[names.EPISODE_RETURNS],
            group_ids,
            trajectory_ids,
            baseline=self.episode_baseline,
            divide_by_std=False,
        )
        members = group_members(group_ids, trajectory_ids, baseline=self.episode_baseline)
        advantages *= members / np.maximum(members - 1, 1)
        advantages -= columns[names.ROW_PENALTIES]
        return Advantages(episode=advantages, step=np.zeros_like(advantages), total=advantages)

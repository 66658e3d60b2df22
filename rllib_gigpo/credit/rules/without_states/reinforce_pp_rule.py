"""REINFORCE++: the episode's return, whitened over the response tokens of the batch.

Paper: REINFORCE++, arXiv 2501.03262.

    A_{i,t} = (x - mean x) / sqrt(var x + 1e-8), over all response tokens of the batch
    x = R(τ_i), or R(τ_i) - mean of the group's episode returns (``return_baseline="group"``)

The variance is biased, and each row counts once per response token. Degenerate cases: a batch
without spread gives exactly 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.advantages import episode_advantages, whiten
from rllib_gigpo.credit.rules.credit_rule import Advantages, CreditRule


@dataclass(frozen=True, slots=True, kw_only=True)
class ReinforcePPRule(CreditRule):
    """Episode returns, whitened over the whole batch.

    Attributes:
        return_baseline: Baseline to subtract from the return before whitening: "none", or "group"
            for the mean return of the group.
    """

    name: ClassVar[str] = "reinforce_pp"
    needs: ClassVar[frozenset[str] | None] = frozenset(
        {
            names.GROUP_IDS,
            names.TRAJECTORY_IDS,
            names.EPISODE_RETURNS,
            names.ROW_PENALTIES,
            names.RESPONSE_LENGTHS,
        }
    )

    return_baseline: Literal["none", "group"] = "none"

    @property
    def compares_within_groups(self) -> bool:
        """True only with the group baseline; without it the whole batch is compared."""
        return self.return_baseline == "group"

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Whiten the returns less the row penalties; see the base class."""
        returns = columns[names.EPISODE_RETURNS]
        if self.return_baseline == "group":
            returns = episode_advantages(
                returns,
                columns[names.GROUP_IDS],
                columns[names.TRAJECTORY_IDS],
                divide_by_std=False,
            )
        returns = returns - columns[names.ROW_PENALTIES]
        advantages = whiten(returns, columns[names.RESPONSE_LENGTHS])
        return Advantages(episode=advantages, step=np.zeros_like(advantages), total=advantages)

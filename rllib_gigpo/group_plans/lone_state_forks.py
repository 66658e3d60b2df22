"""Forks at the states that the group has visited least, first of all those visited once.

An anchor group of one row has a step advantage of exactly 0: GiGPO cannot judge the action. A fork
returns to the state and tries an action there, so the row gets a peer. GAGPO (arXiv 2605.13217)
counts 34 to 45 % of all steps in such groups. States count as equal only if they are, so with
``anchor="similar"`` a state that is alone here may have peers in the credit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rllib_gigpo.group_plans.forking_plan import ForkingPlan, one_per_state, shuffled
from rllib_gigpo.group_plans.group_plan import ChosenStep


@dataclass(frozen=True, slots=True, kw_only=True)
class LoneStateForks(ForkingPlan):
    """Forks at the least visited states, one for each state, ties at random."""

    name: ClassVar[str] = "lone_states"

    def choose(
        self,
        candidates: Sequence[ChosenStep],
        steps: Sequence[ChosenStep],
        number: int,
        rng: np.random.Generator,
    ) -> Sequence[ChosenStep]:
        """Choose by the number of visits; see the base class."""
        visits = Counter(step.state for step in steps)
        states = one_per_state(shuffled(candidates, rng))
        return sorted(states, key=lambda step: visits[step.state])[:number]

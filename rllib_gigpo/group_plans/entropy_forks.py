"""Forks where the model was least certain: at the answers of highest mean token entropy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rllib_gigpo.group_plans.forking_plan import ForkingPlan, one_per_state, shuffled
from rllib_gigpo.group_plans.group_plan import ChosenStep


@dataclass(frozen=True, slots=True, kw_only=True)
class EntropyForks(ForkingPlan):
    """Forks at the states of highest entropy, one for each state."""

    name: ClassVar[str] = "entropy"
    needs_entropy: ClassVar[bool] = True

    def choose(
        self,
        candidates: Sequence[ChosenStep],
        steps: Sequence[ChosenStep],
        number: int,
        rng: np.random.Generator,
    ) -> Sequence[ChosenStep]:
        """Choose by entropy; see the base class."""
        ranked = sorted(shuffled(candidates, rng), key=lambda step: -(step.entropy or 0.0))
        return one_per_state(ranked)[:number]

"""Groups without forks: all episodes start at the reset, as in the paper of GiGPO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rllib_gigpo.group_plans.group_plan import ChosenStep, Fork, GroupPlan


@dataclass(frozen=True, slots=True)
class FromReset(GroupPlan):
    """All episodes start at the reset."""

    name: ClassVar[str] = "from_reset"

    def num_starts(self, group_size: int) -> int:
        """Return the size of the group."""
        return group_size

    def next_forks(
        self, steps: Sequence[ChosenStep], group_size: int, rng: np.random.Generator
    ) -> list[Fork]:
        """Return nothing."""
        return []

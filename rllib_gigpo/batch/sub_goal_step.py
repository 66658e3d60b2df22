"""What one answer says about the agent's sub-goal, and which of its tokens say it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class TokenLevel(IntEnum):
    """The decision that a response token is part of."""

    ACTION = 0  # and all tokens outside of the other two blocks
    SUB_GOAL = 1
    SWITCH = 2


@dataclass(frozen=True, slots=True, eq=False)
class SubGoalStep:
    """The sub-goal of one step. A segment is a run of steps with the same sub-goal."""

    sub_goal: str  # pursued in this step; empty if none was ever named
    starts_segment: bool
    is_contradictory: bool  # says KEEP without a sub-goal to keep, or beside another one
    token_levels: np.ndarray  # (L,) int8, a `TokenLevel` for each response token

    @property
    def has_blocks(self) -> bool:
        """Whether the answer said KEEP or SWITCH in the requested format."""
        return bool((self.token_levels == TokenLevel.SWITCH).any())

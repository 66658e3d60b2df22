"""What one answer says about the agent's sub-goal, and which of its tokens say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from rllib_gigpo import columns
from rllib_gigpo.batch.role_turns import own_turns


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


def sub_goal_before(episode: Any, step: int = -1) -> str:
    """Return the sub-goal that the role which acts pursued before one of its steps.

    Args:
        episode: The episode.
        step: Index of the step; -1 for the one that waits for an answer.

    Returns:
        The sub-goal; empty before the first step, and in runs without sub-goals.
    """
    turns = own_turns(episode)
    before = turns if step == -1 else turns[: turns.index(step)]
    if not before:
        return ""
    records: Sequence[Any] = episode.get_extra_model_outputs(columns.STEP_RECORD)
    found = records[before[-1]].sub_goal
    return "" if found is None else found.sub_goal

"""Corridor: a minimal example of a text environment with every key that GiGPO uses."""

from __future__ import annotations

from typing import Any

import gymnasium

from .common.option_checks import check_whole
from .contract import (
    ADMISSIBLE_ACTIONS,
    ANCHOR,
    EXPERT_ACTION,
    SCORE,
    TAGS,
    TASK,
    WON,
    text_space,
)

_MOVES = {"go left": -1, "go right": 1}
_REFUSAL = "That is not a valid action. Use go left or go right. "


class CorridorEnv(gymnasium.Env[str, str]):
    """A walk along a corridor of numbered doors to the goal door.

    The seed picks the start and the goal. The reward is 1 at the goal and 0 before. Any text other
    than "go left" and "go right" changes nothing and gets a remark. States recur, because the agent
    can walk back and forth.

    Args:
        length: Number of doors, at least 2.
        max_steps: Steps after which an unfinished episode is truncated.
    """

    def __init__(self, length: int = 6, *, max_steps: int = 12) -> None:
        """Check the options and declare the spaces."""
        check_whole("length", length, low=2)
        check_whole("max_steps", max_steps, low=1)
        self.length, self.max_steps = length, max_steps
        self.observation_space = text_space(200)
        self.action_space = text_space(100)
        self._position = self._goal = self._num_steps = 0
        self._is_running = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Draw two different doors from the seed, the start and the goal."""
        super().reset(seed=seed, options=options)
        doors = self.np_random.choice(self.length, size=2, replace=False)
        self._position, self._goal = (int(door) for door in doors)
        self._num_steps, self._is_running = 0, True
        return self._observation(), self._info()

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Move by one door; answer unknown text with a remark and the unchanged state."""
        if not self._is_running:
            raise gymnasium.error.ResetNeeded("The episode is over: call reset() before step().")
        move = _MOVES.get(action.strip().lower())
        self._position = min(max(self._position + (move or 0), 0), self.length - 1)
        self._num_steps += 1
        terminated = self._position == self._goal
        truncated = not terminated and self._num_steps >= self.max_steps
        self._is_running = not (terminated or truncated)
        remark = _REFUSAL if move is None else ""
        return remark + self._observation(), float(terminated), terminated, truncated, self._info()

    def _observation(self) -> str:
        return f"You stand at door {self._position + 1} of {self.length}."

    def _info(self) -> dict[str, Any]:
        won = self._position == self._goal
        return {
            TASK: f"Go to door {self._goal + 1}.",
            ADMISSIBLE_ACTIONS: list(_MOVES),
            WON: won,
            ANCHOR: self._observation(),
            EXPERT_ACTION: "go left" if self._position > self._goal else "go right",
            SCORE: float(won),
            TAGS: ["corridor"],
        }

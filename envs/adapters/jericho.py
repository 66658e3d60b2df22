"""Jericho: interactive fiction from a Z-machine file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import gymnasium

from ..backends import import_backend
from ..contract import ANCHOR, SCORE, TASK, WON, text_space


class JerichoEnv(gymnasium.Env[str, str]):
    """A game file of one's own; none come with the package.

    Args:
        game_file: Path of the Z-machine file (.z3 to .z8).
        task: What the prompt says is to be done.
    """

    def __init__(self, game_file: str, task: str = "Finish the game with a high score.") -> None:
        jericho = import_backend("jericho", extra="textworld")
        if not Path(game_file).is_file():
            raise ValueError(f"There is no game file {game_file!r}: give its path as game_file.")
        self._env, self._task = jericho.FrotzEnv(game_file), task
        self.observation_space, self.action_space = text_space(10_000), text_space(200)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin the game; the seed is that of the interpreter's own random numbers."""
        super().reset(seed=seed)
        self._env.seed(int(self.np_random.integers(1, 2**15)))
        text, _ = self._env.reset()
        self._score = float(self._env.get_score())
        return text.strip(), self._info()

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Type one command; the reward is what it adds to the score."""
        # A backslash is a command to the interpreter itself, and can crash it.
        command = " ".join(re.sub(r"[^A-Za-z0-9,.?!' -]", " ", action).split())[:100]
        text, _, done, _ = self._env.step(command or "look")
        before, self._score = self._score, float(self._env.get_score())
        return text.strip(), self._score - before, bool(done), False, self._info()

    def close(self) -> None:
        """End the interpreter."""
        self._env.close()

    def _info(self) -> dict[str, Any]:
        anchor = self._env.get_world_state_hash()
        won = bool(self._env.victory())
        return {TASK: self._task, WON: won, ANCHOR: anchor, SCORE: self._score}

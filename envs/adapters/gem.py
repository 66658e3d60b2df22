"""GEM (gem-llm): its text games."""

from __future__ import annotations

from typing import Any

import gymnasium

from ..backends import import_backend
from ..contract import ANCHOR, TAGS, TASK, WON, text_space
from .global_random import OwnRandomState


class GemEnv(gymnasium.Env[str, str]):
    r"""One environment of GEM; actions are what it wants between \boxed{ and }.

    Args:
        name: Its id in GEM, such as "game:GuessTheNumber-v0-easy".
    """

    def __init__(self, name: str = "game:GuessTheNumber-v0-easy") -> None:
        gem = import_backend("gem", extra="gem")
        self._env, self._name = gem.make(name), name
        self.observation_space, self.action_space = text_space(10_000), text_space(10_000)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin the game of ``seed``; its first text is the task."""
        super().reset(seed=seed)
        number = int(self.np_random.integers(2**31))
        self._random = OwnRandomState(number)
        with self._random:
            self._task, facts = self._env.reset(seed=number)
        return str(facts.get("suffix", "")) or "Begin.", self._info(facts, "", won=False)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        r"""Answer; text without \boxed{...} is put into one."""
        boxed = action if "\\boxed" in action else f"\\boxed{{{action}}}"
        with self._random:
            try:
                text, reward, terminated, truncated, facts = self._env.step(boxed)
            except Exception as error:  # games read answers with little care
                text, reward, terminated, truncated, facts = (
                    f"Unreadable: {error}",
                    0,
                    False,
                    False,
                    {},
                )
        won = bool(terminated) and float(reward) > 0
        seen = "\n".join(part for part in (str(text), str(facts.get("suffix", ""))) if part)
        info = self._info(facts, str(text), won=won)
        return seen, float(reward), bool(terminated), bool(truncated), info

    def _info(self, facts: dict[str, Any], text: str, *, won: bool) -> dict[str, Any]:
        anchor = str(facts.get("suffix", "")) or text
        return {TASK: self._task.strip(), WON: won, ANCHOR: anchor, TAGS: [self._name]}

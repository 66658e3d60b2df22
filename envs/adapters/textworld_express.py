"""TextWorld-Express: fast text games (needs Java)."""

from __future__ import annotations

from typing import Any

import gymnasium

from ..backends import import_backend, require_java
from ..contract import ADMISSIBLE_ACTIONS, ANCHOR, EXPERT_ACTION, SCORE, TAGS, TASK, WON, text_space


class TextWorldExpressEnv(gymnasium.Env[str, str]):
    """A game by name.

    Args:
        name: TextWorld-Express's name, such as "coin" or "cookingworld".
        params: Its parameters as the package takes them, such as "numLocations=5".
        fold: "train", "dev" or "test".
    """

    def __init__(self, name: str = "coin", params: str = "", fold: str = "train") -> None:
        backend = import_backend("textworld_express", extra="textworld-express")
        require_java()
        self._env = backend.TextWorldExpressEnv(envStepLimit=10**6)
        self._env.load(gameName=name, gameParams=params)
        self._name, self._fold = name, fold
        self.observation_space, self.action_space = text_space(10_000), text_space(200)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Make the game of ``seed``."""
        super().reset(seed=seed)
        number = int(self.np_random.integers(2**31)) if seed is None else seed
        text, facts = self._env.reset(seed=number, gameFold=self._fold, generateGoldPath=True)
        self._plan, self._score = list(self._env.getGoldActionSequence()), 0.0
        return text, self._info(facts)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Do something; the reward is the gain in score, 1 in all."""
        self._plan = self._plan[1:] if self._plan and action == self._plan[0] else []
        text, _, done, facts = self._env.step(action)
        before, self._score = self._score, float(facts["score"])
        return text, self._score - before, bool(done), False, self._info(facts)

    def close(self) -> None:
        """End the Java process."""
        self._env.close()

    def _info(self, facts: dict[str, Any]) -> dict[str, Any]:
        info = {TASK: facts["taskDescription"], ADMISSIBLE_ACTIONS: sorted(facts["validActions"])}
        info |= {ANCHOR: facts["look"] + facts["inventory"], WON: bool(facts["tasksuccess"])}
        info |= {SCORE: float(facts["score"]), TAGS: [self._name]}
        return info | ({EXPERT_ACTION: self._plan[0]} if self._plan else {})

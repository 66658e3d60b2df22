"""ScienceWorld: experiments for a primary-school pupil (needs Java)."""

from __future__ import annotations

from typing import Any

import gymnasium

from ..backends import import_backend, require_java
from ..contract import ADMISSIBLE_ACTIONS, ANCHOR, EXPERT_ACTION, SCORE, TAGS, TASK, WON, text_space


class ScienceWorldEnv(gymnasium.Env[str, str]):
    """One kind of task; the seed picks its variation.

    Args:
        name: The task's name in ScienceWorld, such as "find-animal".
        simplifications: ScienceWorld's own, such as "easy".
    """

    def __init__(self, name: str = "find-animal", simplifications: str = "easy") -> None:
        backend = import_backend("scienceworld", extra="scienceworld")
        require_java()
        self._env = backend.ScienceWorldEnv("", envStepLimit=10**6)
        names = self._env.get_task_names()
        if name not in names:
            self._env.close()
            raise ValueError(f"ScienceWorld has no task {name!r}: choose one of {', '.join(names)}")
        self._name, self._simplifications = name, simplifications
        self.observation_space, self.action_space = text_space(10_000), text_space(200)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Load the variation of ``seed``."""
        super().reset(seed=seed)
        variation = (seed or 0) % self._env.get_max_variations(self._name)
        self._env.load(self._name, variation, self._simplifications, generateGoldPath=True)
        text, facts = self._env.reset()
        self._plan = list(self._env.get_gold_action_sequence())
        self._score = 0.0
        return text, self._info(facts, won=False)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Do something; the reward is the gain in ScienceWorld's score, 1 in all."""
        self._plan = self._plan[1:] if self._plan and action == self._plan[0] else []
        text, _, done, facts = self._env.step(action)
        before, self._score = self._score, facts["score"] / 100
        info = self._info(facts, won=facts["score"] >= 100)
        return text, self._score - before, bool(done), False, info

    def close(self) -> None:
        """End the Java process."""
        self._env.close()

    def _info(self, facts: dict[str, Any], *, won: bool) -> dict[str, Any]:
        info = {TASK: facts["taskDesc"].strip(), ADMISSIBLE_ACTIONS: sorted(facts["valid"])}
        info |= {WON: won, ANCHOR: facts["look"] + facts["inv"], SCORE: self._score}
        info[TAGS] = [self._name]
        return info | ({EXPERT_ACTION: self._plan[0]} if self._plan else {})

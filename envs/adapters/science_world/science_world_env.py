"""ScienceWorld: primary-school science experiments (needs Java)."""

from __future__ import annotations

from typing import Any

from ...contract import TAGS
from ..adapter import Answer
from ..java_game import JavaGameEnv, is_test
from .science_world_start import start_simulator


class ScienceWorldEnv(JavaGameEnv):
    """One kind of task; the seed picks its variation.

    Args:
        name: The task's name in ScienceWorld, such as "find-animal".
        simplifications: ScienceWorld's simplifications, such as "easy".
    """

    def __init__(self, name: str = "find-animal", simplifications: str = "easy") -> None:
        super().__init__(name=name, simplifications=simplifications)
        self._name, self._simplifications = name, simplifications
        try:
            self._read_variations()
        except ValueError:
            self.close()
            raise

    def _open(self) -> Any:
        return start_simulator()

    def _read_variations(self) -> None:
        names = self._game.get_task_names()
        if self._name not in names:
            raise ValueError(f"ScienceWorld has no task {self._name!r}. Use {', '.join(names)}.")
        self._game.load(self._name, 0, self._simplifications)  # checks simplifications
        self._train = list(self._game.get_variations_train())
        self._test = list(self._game.get_variations_test())

    def _begin(self, seed: int) -> tuple[str, dict[str, Any]]:
        """Load a variation from ScienceWorld's training set, or its test set for test seeds."""
        variations = self._test if is_test(seed) else self._train
        variation = variations[seed % len(variations)]
        self._game.load(self._name, variation, self._simplifications, generateGoldPath=True)
        text, facts = self._game.reset()
        # Some tasks begin with points; the first action must not earn them.
        self._start(self._game.get_gold_action_sequence(), facts["score"] / 100)
        return text, self._info(facts)

    def _play(self, action: str) -> Answer:
        self._follow(action)
        text, _, done, facts = self._game.step(action)
        return text, self._gain(facts["score"] / 100), done, False, self._info(facts)

    def _info(self, facts: dict[str, Any]) -> dict[str, Any]:
        task, state = facts["taskDesc"].strip(), facts["look"] + facts["inv"]
        won = facts["score"] >= 100
        info = self._facts(task=task, actions=facts["valid"], anchor=state, won=won)
        return info | {TAGS: [self._name]}

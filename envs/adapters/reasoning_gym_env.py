"""Reasoning Gym: generated questions with an answer each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..common.clean_text import valid_text
from ..common.optional_backends import import_backend
from ..contract import ANCHOR, EXPERT_ACTION, SCORE, TAGS, TASK, TASK_ID, WON
from .adapter import AdapterEnv, Answer
from .global_random import OwnRandomState

_NUM_TASKS = 2**31 - 1


class ReasoningGymEnv(AdapterEnv):
    """One dataset of Reasoning Gym: a question, and an answer in one turn.

    Args:
        name: Its name there, such as "leg_counting".
        config: Its own settings, such as ``{"max_animals": 5}``; not ``seed`` and ``size``.
    """

    def __init__(self, name: str = "leg_counting", config: Mapping[str, Any] | None = None) -> None:
        super().__init__(name=name, config=config)
        self._name, self._config = name, dict(config or {})
        self._ensure_open()

    def _open(self) -> Any:
        create = import_backend("reasoning_gym", extra="reasoning-gym").create_dataset
        try:
            return create(self._name, **{"seed": 0, "size": _NUM_TASKS, **self._config})
        except (AssertionError, TypeError, ValueError) as error:
            raise ValueError(f"name={self._name!r}, config={self._config}: {error}") from error

    def _clean(self, action: str) -> str:
        return valid_text(action).strip()  # answers such as grids have several lines

    def _begin(self, seed: int) -> tuple[str, dict[str, Any]]:
        self._random, self._number = OwnRandomState(seed), seed % _NUM_TASKS
        with self._random:
            self._entry = self._game[self._number]
        return "Write your answer, and nothing else.", self._info(0.0)

    def _play(self, action: str) -> Answer:
        with self._random:
            try:
                score = float(self._game.score_answer(action, self._entry))
            except Exception:  # some datasets parse answers carelessly
                score = 0.0
        text = "The answer is right." if score >= 1 else f"The answer scores {score:g} of 1."
        return text, score, True, False, self._info(score)

    def _info(self, score: float) -> dict[str, Any]:
        question, answer = self._entry["question"].strip(), self._entry.get("answer")
        info = {TASK: question, ANCHOR: question, WON: score >= 1, SCORE: score, TAGS: [self._name]}
        info[TASK_ID] = f"{self._name}/{self._number}"
        return info | ({EXPERT_ACTION: answer} if isinstance(answer, str) else {})

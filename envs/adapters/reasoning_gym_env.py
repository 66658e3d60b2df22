"""Reasoning Gym: generated questions with an answer each."""

from __future__ import annotations

from typing import Any

from ..common.clean_text import valid_text
from ..common.optional_backends import import_backend
from ..contract import ANCHOR, EXPERT_ACTION, SCORE, TAGS, TASK, TASK_ID, WON
from .adapter import AdapterEnv, Answer
from .answers_run_as_code import permitted_settings
from .global_random import OwnRandomState


class ReasoningGymEnv(AdapterEnv):
    """One dataset of Reasoning Gym: a question, and an answer in one turn.

    Args:
        name: Its name there, such as "leg_counting".
        **config: Its own settings, such as ``max_animals=5``; the seed of the episode is its seed.
            ``trust_answers=True`` permits a dataset that runs answers as Python to score them.
    """

    def __init__(self, name: str = "leg_counting", **config: Any) -> None:
        super().__init__(name=name, **config)
        self._name, self._config = name, permitted_settings(name, config)
        self._create = import_backend("reasoning_gym", extra="reasoning-gym").create_dataset
        try:
            self._ensure_open()
        except (AssertionError, TypeError, ValueError) as error:
            raise ValueError(f"{error}. Fix name={name!r} or {config} in env_config.") from error

    def _open(self, seed: int = 0) -> Any:
        # Some datasets generate all questions when they are made, so each has one.
        return self._create(self._name, **{**self._config, "seed": seed, "size": 1})

    def _clean(self, action: str) -> str:
        return valid_text(action).strip()  # answers such as grids have several lines

    def _begin(self, seed: int) -> tuple[str, dict[str, Any]]:
        self._random, self._number = OwnRandomState(seed % 2**31), seed % 2**31
        with self._random:
            self._opened = self._open(self._number)
            self._entry = self._opened[0]
        return "Write your answer, and nothing else.", self._info(0.0)

    def _play(self, action: str) -> Answer:
        with self._random:
            try:
                score = float(self._game.score_answer(action, self._entry))
            except (Exception, SystemExit):  # some datasets parse answers carelessly
                score = 0.0
        text = "The answer is right." if score >= 1 else f"The answer scores {score:g} of 1."
        return text, score, True, False, self._info(score)

    def _info(self, score: float) -> dict[str, Any]:
        question, answer = self._entry["question"].strip(), self._entry.get("answer")
        info = {TASK: question, ANCHOR: question, WON: score >= 1, SCORE: score, TAGS: [self._name]}
        info |= {EXPERT_ACTION: answer} if isinstance(answer, str) else {}
        return info | {TASK_ID: f"{self._name}/{self._number}"}

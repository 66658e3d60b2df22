"""The base class of games that run in Java: an expert with one plan, and rewards from a score."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from ..common.optional_backends import import_backend, require_java
from ..contract import ADMISSIBLE_ACTIONS, ANCHOR, EXPERT_ACTION, FIRST_TEST_SEED, SCORE, TASK, WON
from .adapter import AdapterEnv


class JavaGameEnv(AdapterEnv):
    """A game whose gold path is the expert until the player leaves it."""

    _plan: tuple[str, ...] = ()
    _score = 0.0

    def _shut(self, game: Any) -> None:
        game.close()

    def _start(self, plan: Iterable[str], score: float) -> None:
        self._plan, self._score = tuple(plan), score

    def _follow(self, action: str) -> None:
        self._plan = self._plan[1:] if self._plan and action == self._plan[0] else ()

    def _gain(self, score: float) -> float:
        """Return the gain in score; the full score is 1."""
        before, self._score = self._score, score
        return score - before

    def _facts(
        self, *, task: str, actions: Iterable[str], anchor: str, won: bool
    ) -> dict[str, Any]:
        info = {TASK: task, ADMISSIBLE_ACTIONS: sorted(actions), ANCHOR: anchor, WON: won}
        advice = {EXPERT_ACTION: self._plan[0]} if self._plan else {}
        return info | {SCORE: self._score} | advice


def java_backend(module: str, *, extra: str) -> ModuleType:
    """Import a backend and check that Java is installed."""
    backend = import_backend(module, extra=extra)
    require_java()
    return backend


def is_test(seed: int) -> bool:
    """Return whether a seed belongs to a test task."""
    return seed >= FIRST_TEST_SEED

"""What the games behind Java share: an expert that knows one way, and rewards from a score."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from ..common.backends import import_backend, require_java
from ..contract import ADMISSIBLE_ACTIONS, ANCHOR, EXPERT_ACTION, FIRST_TEST_SEED, SCORE, TASK, WON
from .adapter import AdapterEnv


class JavaGameEnv(AdapterEnv):
    """A game whose gold path is the expert, until the player leaves it."""

    _plan: tuple[str, ...] = ()
    _score = 0.0

    def _shut(self, game: Any) -> None:
        game.close()

    def _start(self, plan: Iterable[str], score: float) -> None:
        self._plan, self._score = tuple(plan), score

    def _follow(self, action: str) -> None:
        self._plan = self._plan[1:] if self._plan and action == self._plan[0] else ()

    def _gain(self, score: float) -> float:
        """Return what the score, of 1 in all, rose by."""
        before, self._score = self._score, score
        return score - before

    def _facts(
        self, *, task: str, actions: Iterable[str], anchor: str, won: bool
    ) -> dict[str, Any]:
        info = {TASK: task, ADMISSIBLE_ACTIONS: sorted(actions), ANCHOR: anchor, WON: won}
        advice = {EXPERT_ACTION: self._plan[0]} if self._plan else {}
        return info | {SCORE: self._score} | advice


def java_backend(module: str, *, extra: str) -> ModuleType:
    """Import a backend, and make sure that Java is there for it."""
    backend = import_backend(module, extra=extra)
    require_java()
    return backend


def is_test(seed: int) -> bool:
    """Whether a seed is that of a test task."""
    return seed >= FIRST_TEST_SEED

"""The base class of all adapters, which cleans actions and tracks whether an episode is running."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import gymnasium
from gymnasium.utils import EzPickle

from ..contract import FIRST_TEST_SEED, text_space

MAX_ACTION_LENGTH = 1000
"""The number of characters of an action that are read; games echo them in their answers."""

Answer = tuple[str, float, bool, bool, dict[str, Any]]


class AdapterEnv(gymnasium.Env[str, str], EzPickle, ABC):
    """A game from another package, protected against odd text from an LLM.

    A subclass defines how the game is opened, begun and played. Copies in other processes are built
    from ``options``, and ``reset`` opens the game again after ``close``.

    Args:
        **options: All arguments of the subclass, by name.
    """

    def __init__(self, **options: Any) -> None:
        EzPickle.__init__(self, **options)
        self.observation_space = text_space(10_000)
        self.action_space = text_space(MAX_ACTION_LENGTH)
        self._opened: Any = None
        self._is_running = False

    @property
    def _game(self) -> Any:
        self._ensure_open()
        return self._opened

    def _ensure_open(self) -> None:
        """Open the game; constructors call this too, so that wrong options are errors there."""
        if self._opened is None:
            self._opened = self._open()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Begin the task of ``seed``, or a random training task if it is None."""
        super().reset(seed=seed, options=options)
        self._is_running = False
        answer = self._begin(
            int(self.np_random.integers(FIRST_TEST_SEED)) if seed is None else seed
        )
        self._is_running = True
        return answer

    def step(self, action: str) -> Answer:
        """Play one action, which may be any text."""
        if not self._is_running:
            raise gymnasium.error.ResetNeeded("No episode is running: call reset() before step().")
        text, reward, terminated, truncated, info = self._play(self._clean(action))
        self._is_running = not (terminated or truncated)
        return text, float(reward), bool(terminated), bool(truncated), info

    def close(self) -> None:
        """End the game and any process behind it."""
        self._is_running = False
        if self._opened is not None:
            self._shut(self._opened)
        self._opened = None

    def _clean(self, action: str) -> str:
        """Return the text that the game gets."""
        return readable(action)

    def _shut(self, game: Any) -> None:
        """End any process behind an open game."""

    @abstractmethod
    def _open(self) -> Any:
        """Make the package's environment."""

    @abstractmethod
    def _begin(self, seed: int) -> tuple[str, dict[str, Any]]:
        """Begin the task of a seed."""

    @abstractmethod
    def _play(self, action: str) -> Answer:
        """Play one action that ``_clean`` has cleaned."""


def readable(action: str) -> str:
    """Return an action as one line without control characters or lone surrogates."""
    head = action[:MAX_ACTION_LENGTH]
    return " ".join("".join(c if c.isprintable() else " " for c in head).split())

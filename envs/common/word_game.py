"""The base class of the small games: single-word actions, step counting, text or image.

Sokoban, FrozenLake and the card games are subclasses. A subclass defines how a task is drawn, what
each word does and how the state looks; the base class keeps the contract of ``envs.contract``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces

from ..contract import ADMISSIBLE_ACTIONS, EXPERT_ACTION, WON, text_space
from .option_checks import check_choice, check_whole

OBSERVATIONS = ("text", "image")

_MAX_TEXT_LENGTH = 8192
_MAX_ACTION_LENGTH = 100


class WordGameEnv(gymnasium.Env[Any, str], ABC):
    """A game in which every action is one of a few words.

    Any string is a legal action; case and surrounding spaces are ignored. Text other than the words
    of the game changes nothing, counts as a step, earns ``idle_reward``, and is answered with a
    remark (in image mode, with the unchanged picture).

    Args:
        words: All actions of the game, in lower case.
        max_steps: Steps after which an unfinished episode is truncated.
        observation: "text", or "image": a uint8 array of shape ``image_shape``.
        image_shape: (height, width, 3); None for games without a picture.
    """

    idle_reward: ClassVar[float] = 0.0

    def __init__(
        self,
        *,
        words: Sequence[str],
        max_steps: int,
        observation: str = "text",
        image_shape: tuple[int, int, int] | None = None,
    ) -> None:
        """Check the options and declare the spaces."""
        check_whole("max_steps", max_steps, low=1)
        check_choice("observation", observation, OBSERVATIONS if image_shape else ("text",))
        self.words, self.max_steps = tuple(words), max_steps
        self._shows_image = observation == "image"
        self.observation_space = (
            spaces.Box(0, 255, image_shape, np.uint8)
            if self._shows_image and image_shape
            else text_space(_MAX_TEXT_LENGTH)
        )
        self.action_space = text_space(_MAX_ACTION_LENGTH)
        self._num_steps = 0
        self._is_running = False
        self._remark = ""  # the answer to the last action, shown before the state

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Draw the task from the seed."""
        super().reset(seed=seed, options=options)
        self._num_steps, self._remark, self._is_running = 0, "", False
        self._draw_task()
        self._is_running = True
        return self._observation(), self._info()

    def step(self, action: str) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Play one word."""
        if not self._is_running:
            raise gymnasium.error.ResetNeeded("The episode is over: call reset() before step().")
        word = action.strip().lower()
        self._num_steps += 1
        self._remark = ""
        reward = self._play(word) if word in self.words else self._refuse()
        terminated = self._has_ended()
        is_cut = self._num_steps >= self.max_steps or self._is_cut_off()
        truncated = is_cut and not terminated
        self._is_running = not (terminated or truncated)
        return self._observation(), float(reward), terminated, truncated, self._info()

    def _refuse(self) -> float:
        self._remark = f"That is not a valid action. The actions are: {', '.join(self.words)}."
        return self.idle_reward

    def _observation(self) -> Any:
        if self._shows_image:
            return self._image()
        return f"{self._remark}\n{self._text()}" if self._remark else self._text()

    def _info(self) -> dict[str, Any]:
        info = {
            **self._state_info(),
            ADMISSIBLE_ACTIONS: list(self._admissible_words()),
            WON: self._has_won(),
        }
        expert_word = self._expert_word() if self._is_running else None
        if expert_word:
            info[EXPERT_ACTION] = expert_word
        return info

    def _is_cut_off(self) -> bool:
        """Return whether a limit of the game, other than ``max_steps``, ends the episode."""
        return False

    def _admissible_words(self) -> Sequence[str]:
        return self.words

    def _image(self) -> np.ndarray:
        """Draw the state; only called if the game declares an ``image_shape``."""
        raise NotImplementedError(f"{type(self).__name__} has no picture.")

    @abstractmethod
    def _draw_task(self) -> None:
        """Draw a task from ``self.np_random`` and set up its start."""

    @abstractmethod
    def _play(self, word: str) -> float:
        """Carry out one of ``self.words`` and return its reward."""

    @abstractmethod
    def _has_ended(self) -> bool:
        """Return whether the task is over, won or lost."""

    @abstractmethod
    def _has_won(self) -> bool:
        """Return whether the task is solved."""

    @abstractmethod
    def _text(self) -> str:
        """Describe the state."""

    @abstractmethod
    def _state_info(self) -> dict[str, Any]:
        """Return the game's own keys of ``info``: task, anchor, score, tags."""

    @abstractmethod
    def _expert_word(self) -> str | None:
        """Return a good action in this state, or None if none is known."""

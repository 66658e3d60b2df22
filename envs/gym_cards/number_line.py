"""NumberLine: move to a number one step at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.word_game import WordGameEnv
from ..contract import ANCHOR, SCORE, TAGS, TASK
from .drawing import IMAGE_SHAPE, blank, draw_text

LARGEST = 5
FARTHER_REWARD = -1.0  # for every step that does not come closer, including one without a move


class NumberLineEnv(WordGameEnv):
    """A game of moving from one number to another between 0 and 5 with "+" and "-".

    The reward is 1 at the target, which ends the episode, 0 for a step that comes closer and -1
    for one that does not. There are 30 different tasks.

    Args:
        max_steps: Steps after which an unfinished episode is truncated.
        observation: "text" or "image".
    """

    idle_reward = FARTHER_REWARD

    def __init__(self, *, max_steps: int = 10, observation: str = "text") -> None:
        """Check the options."""
        super().__init__(
            words=("-", "+"),
            max_steps=max_steps,
            observation=observation,
            image_shape=IMAGE_SHAPE,
        )
        self._target = self._current = 0

    def _draw_task(self) -> None:
        target, current = self.np_random.choice(LARGEST + 1, size=2, replace=False)
        self._target, self._current = int(target), int(current)

    def _play(self, word: str) -> float:
        before = abs(self._target - self._current)
        moved = self._current + (1 if word == "+" else -1)
        self._current = min(max(moved, 0), LARGEST)
        if self._has_won():
            return 1.0
        return 0.0 if abs(self._target - self._current) < before else FARTHER_REWARD

    def _has_ended(self) -> bool:
        return self._has_won()

    def _has_won(self) -> bool:
        return self._current == self._target

    def _text(self) -> str:
        return f"Target: {self._target}\nCurrent: {self._current}"

    def _image(self) -> np.ndarray:
        canvas = blank()
        draw_text(canvas, f"TARGET: {self._target}", top=80, left=20, scale=4)
        draw_text(canvas, f"CURRENT: {self._current}", top=180, left=20, scale=4)
        return canvas

    def _state_info(self) -> dict[str, Any]:
        return {
            TASK: "Bring the current number to the target: + adds one, - takes one away.",
            ANCHOR: self._text(),
            SCORE: float(self._has_won()),
            TAGS: ["gym_cards", "numberline"],
        }

    def _expert_word(self) -> str:
        return "+" if self._current < self._target else "-"

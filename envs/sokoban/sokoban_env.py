"""Sokoban as a text environment: push boxes onto targets in levels generated from the seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..common.grid_text import LAYOUTS, grid_text
from ..common.option_checks import check_choice, check_flag, check_whole
from ..common.word_game import WordGameEnv
from ..contract import ANCHOR, SCORE, TAGS, TASK
from .board import MOVES
from .board_image import CELL, board_image
from .levels import Level, make_level
from .solver import SokobanExpert

STEP_REWARD = -0.1
PLACED_REWARD = 1.0
SOLVED_REWARD = 10.0

_MAX_SIDE = 20
_CELLS_PER_BOX = 5  # within the border; with fewer, hardly any board has a solution
_ATTEMPTS_AT_START = 200  # a tenth of those at reset, so that a reset almost never fails

_RULES = (
    "Push every box onto a target. You push a box by walking into it; you cannot pull, and a box "
    "moves only if the cell behind it is free. "
)
_TASKS = {
    "text": _RULES + "# is a wall, _ floor, O a target, X a box, √ a box on a target, P you, S you "
    "on a target.",
    "image": _RULES + "Bricks are walls, dark cells floor, a red diamond is a target, a yellow "
    "crate a box, a green crate a box on a target, and the blue ring is you.",
}


class SokobanEnv(WordGameEnv):
    """A Sokoban level: push all boxes onto targets with "up", "down", "left" and "right".

    Every step costs 0.1, even one that changes nothing. Each box pushed onto a target earns 1, each
    box pushed off one costs 1, and the last box earns 10 more and ends the episode. Levels are
    drawn so that ``max_steps`` moves are enough.

    Args:
        dim: Rows and columns including the border, each from 5 to 20.
        num_boxes: Number of boxes, at most one for every five cells within the border.
        max_steps: Steps after which an unfinished episode is truncated.
        observation: "text" (the grid) or "image".
        image_scale: Enlarges the image, whose cells have 16 pixels a side, 1 to 16 times.
        layout: How text separates cells, "spaced" or "compact"; see ``grid_text.LAYOUTS``.
        expert: Whether ``info`` has an expert action. Whenever the player leaves the last solution,
            the level is solved again, which takes less than a millisecond with one box and up to
            some tenths of a second with four boxes on a 10x10 board.

    Raises:
        ValueError: An option is out of range, or no level of this kind can be found.
    """

    idle_reward = STEP_REWARD

    def __init__(
        self,
        dim: Sequence[int] = (6, 6),
        *,
        num_boxes: int = 1,
        max_steps: int = 15,
        observation: str = "text",
        image_scale: int = 1,
        layout: str = "spaced",
        expert: bool = True,
    ) -> None:
        """Check the options, and that a level of this kind can be found."""
        if not isinstance(dim, Sequence) or len(dim) != 2:
            raise ValueError(f"dim must be (rows, columns); got {dim!r}. Fix it in env_config.")
        height, width = dim
        for name, side in (("dim[0]", height), ("dim[1]", width)):
            check_whole(name, side, low=5, high=_MAX_SIDE)
        most_boxes = (height - 2) * (width - 2) // _CELLS_PER_BOX
        check_whole("num_boxes", num_boxes, low=1, high=most_boxes)
        check_choice("layout", layout, LAYOUTS)
        check_flag("expert", expert)
        check_whole("image_scale", image_scale, low=1, high=16)
        super().__init__(
            words=MOVES,
            max_steps=max_steps,
            observation=observation,
            image_shape=(CELL * image_scale * height, CELL * image_scale * width, 3),
        )
        self._kind = {
            "height": height,
            "width": width,
            "num_boxes": num_boxes,
            "max_moves": max_steps,
        }
        self._layout, self._has_expert = layout, expert
        self._task, self._image_scale = _TASKS[observation], image_scale
        self._tags = ["sokoban", f"{height}x{width}", f"boxes={num_boxes}"]
        self._start(make_level(0, **self._kind, max_attempts=_ATTEMPTS_AT_START))

    def _draw_task(self) -> None:
        self._start(make_level(int(self.np_random.integers(2**63)), **self._kind))

    def _start(self, level: Level) -> None:
        self._board, self._state = level.board, level.start
        self._expert = (
            SokobanExpert(level.board, level.start, level.solution) if self._has_expert else None
        )

    def _play(self, word: str) -> float:
        num_placed = self._board.num_placed(self._state)
        self._state = self._board.after(self._state, word)
        num_gained = self._board.num_placed(self._state) - num_placed
        solved_reward = SOLVED_REWARD if self._has_won() else 0.0
        return STEP_REWARD + PLACED_REWARD * num_gained + solved_reward

    def _has_ended(self) -> bool:
        return self._has_won()

    def _has_won(self) -> bool:
        return self._board.is_solved(self._state)

    def _text(self) -> str:
        return grid_text(self._board.rows(self._state), self._layout)

    def _image(self) -> np.ndarray:
        return board_image(self._board, self._state, self._image_scale)

    def _state_info(self) -> dict[str, Any]:
        return {
            TASK: self._task,
            ANCHOR: self._text(),
            SCORE: float(self._board.num_placed(self._state)),
            TAGS: list(self._tags),
        }

    def _expert_word(self) -> str | None:
        return self._expert.suggest(self._state) if self._expert else None

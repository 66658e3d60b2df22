"""Delivery: fetch a parcel and drop it at the door, with a limit of a multiple of what it takes."""

from __future__ import annotations

import math
from typing import Any, Final

from ..common.grid_text import LAYOUTS, grid_text
from ..common.option_checks import check_choice, check_number, check_whole
from ..common.walled_map import MOVES, Cell
from ..common.word_game import WordGameEnv
from ..contract import ANCHOR, SCORE, TAGS, TASK
from .delivery_task import DROP, TAKE, DeliveryTask

WORDS: Final = (*MOVES, TAKE, DROP)

_MAX_SIZE = 8
_DEFAULT_SLACK = 3.0
_MAX_SLACK = 100
_ROUNDING = 1e-9  # 2.2 * 25 is a little more than 55
_TASK = (
    "Take the parcel and drop it at the door. A is you, P the parcel, D the door, # a wall, . a "
    "free cell. T is you on the parcel, E you at the door, C you with the parcel, F you with the "
    "parcel at the door."
)


class DeliveryEnv(WordGameEnv):
    """A parcel to "take" and to "drop" at the door, on a map with walls.

    The agent moves with "up", "down", "left" and "right"; a blocked move changes nothing. The
    parcel may be dropped anywhere and lies there until it is taken again. The reward is 1 when it
    is dropped at the door, which ends the episode, and 0 before. The grid shows the whole state,
    without the time. The seed draws the map.

    Args:
        size: Number of rows and of columns, from 2 to 8.
        num_walls: Number of walls; those that would cut off agent, parcel or door are left out.
        slack: Steps that an episode may have over those that its shortest solution needs, rounded
            up to whole steps; from 1 to 100, and 3 if neither this nor ``max_steps`` is set.
        max_steps: Steps after which any unfinished episode is truncated, instead of ``slack``. A
            task that needs more cannot be won.
        layout: How text separates cells, "spaced" or "compact"; see ``grid_text.LAYOUTS``.

    Raises:
        ValueError: An option is out of range, or both ``slack`` and ``max_steps`` are set.
    """

    def __init__(
        self,
        size: int = 4,
        *,
        num_walls: int = 2,
        slack: float | None = None,
        max_steps: int | None = None,
        layout: str = "spaced",
    ) -> None:
        """Check the options; ``reset`` draws the map."""
        check_whole("size", size, low=2, high=_MAX_SIZE)
        check_whole("num_walls", num_walls, low=0)
        check_choice("layout", layout, LAYOUTS)
        self._slack = _slack_of(slack, max_steps)
        # With slack, `reset` sets the limit of its task.
        super().__init__(words=WORDS, max_steps=1 if max_steps is None else max_steps)
        self._size, self._num_walls, self._layout = size, num_walls, layout

    def _draw_task(self) -> None:
        self._delivery = DeliveryTask.draw(
            self.np_random, size=self._size, num_walls=self._num_walls
        )
        self._state = self._delivery.start
        if self._slack is not None:
            needed = self._delivery.steps_left(self._state)
            self.max_steps = math.ceil(self._slack * needed - _ROUNDING)

    def _play(self, word: str) -> float:
        self._state = self._delivery.after(self._state, word)
        return float(self._has_won())

    def _has_ended(self) -> bool:
        return self._has_won()

    def _has_won(self) -> bool:
        return self._delivery.is_delivered(self._state)

    def _text(self) -> str:
        return self._drawn(self._layout)

    def _drawn(self, layout: str) -> str:
        cells = range(self._size)
        return grid_text([[self._symbol((row, col)) for col in cells] for row in cells], layout)

    def _symbol(self, cell: Cell) -> str:
        if cell == self._state.agent:
            return self._agent_symbol()
        if cell == self._state.parcel:
            return "P"
        if cell == self._delivery.map.goal:
            return "D"
        return "." if self._delivery.map.is_free(cell) else "#"

    def _agent_symbol(self) -> str:
        is_at_door = self._state.agent == self._delivery.map.goal
        if self._has_won():
            return "√"  # it is dropped where the agent is
        if self._state.parcel is None:
            return "F" if is_at_door else "C"
        if self._state.parcel == self._state.agent:
            return "T"
        return "E" if is_at_door else "A"

    def _state_info(self) -> dict[str, Any]:
        return {
            TASK: _TASK,
            ANCHOR: self._drawn("compact"),
            SCORE: float(self._has_won()),
            TAGS: ["delivery", f"{self._size}x{self._size}"],
        }

    def _expert_word(self) -> str | None:
        return self._delivery.best_word(self._state)


def _slack_of(slack: float | None, max_steps: int | None) -> float | None:
    """Return the slack that sets the limit of each task; None if ``max_steps`` does."""
    if slack is None:
        return _DEFAULT_SLACK if max_steps is None else None
    if max_steps is not None:
        raise ValueError(
            f"slack and max_steps both set the limit; got slack={slack!r} and "
            f"max_steps={max_steps!r}. Set one of them to None in env_config."
        )
    check_number("slack", slack, low=1, high=_MAX_SLACK)
    return float(slack)

"""FrozenLake as text on top of Gymnasium's environment; every seed is a different lake."""

from __future__ import annotations

from typing import Any

from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv

from ..common.grid_text import LAYOUTS, grid_text
from ..common.option_checks import check_choice, check_flag, check_number, check_whole
from ..common.word_game import WordGameEnv
from ..contract import ANCHOR, SCORE, TAGS, TASK
from .lake_maps import FROZEN, GOAL, HOLE, START, draw_lake
from .lake_planner import best_actions

ACTIONS = ("left", "down", "right", "up")  # in the order of Gymnasium's numbers
RULES = ("gymnasium", "roll")

_MAX_SIZE = 20
_SYMBOLS = {
    "gymnasium": {START: START, FROZEN: FROZEN, HOLE: HOLE, GOAL: GOAL},
    "roll": {START: "_", FROZEN: "_", HOLE: "O", GOAL: "G"},
}
_PLAYER = {START: "P", FROZEN: "P", HOLE: "X", GOAL: "√"}
_LEGENDS = {
    "gymnasium": "P is you, S the start, F ice, H a hole, G the goal",
    "roll": "P is you, _ ice, O a hole, G the goal",
}
_ICE = {
    True: (
        "The ice is slippery: one time in three you go where you want, otherwise you slip to one "
        "of the two sides."
    ),
    False: "The ice is firm: you go where you want.",
}


class FrozenLakeTextEnv(WordGameEnv):
    """A frozen lake to cross with "left", "down", "right" and "up", without falling into a hole.

    The reward is 1 at the goal and 0 elsewhere; the goal and the holes end the episode. The seed
    draws the lake, which always has a path to the goal, and all slips.

    Args:
        size: Number of rows and of columns, from 2 to 20.
        p: Probability that a cell is ice rather than a hole.
        is_slippery: Whether two of three steps slip to a side, as in Gymnasium.
        rules: "gymnasium": from the upper left to the lower right corner, in Gymnasium's letters,
            100 steps up to size 4 and 200 above; "roll": start and goal anywhere, in ROLL's
            symbols, 20 steps.
        max_steps: Steps after which an unfinished episode is truncated; None follows ``rules``.
            Every lake has a path of at most that many steps, if nothing slips.
        layout: How text separates cells, "spaced" or "compact"; see ``grid_text.LAYOUTS``.

    Raises:
        ValueError: An option is out of range.
    """

    def __init__(
        self,
        size: int = 4,
        *,
        p: float = 0.8,
        is_slippery: bool = True,
        rules: str = "gymnasium",
        max_steps: int | None = None,
        layout: str = "spaced",
    ) -> None:
        """Check the options; ``reset`` draws the lake."""
        check_whole("size", size, low=2, high=_MAX_SIZE)
        check_choice("rules", rules, RULES)
        check_choice("layout", layout, LAYOUTS)
        check_number("p", p, low=0, high=1)
        check_flag("is_slippery", is_slippery)
        if max_steps is None:
            max_steps = 20 if rules == "roll" else 100 if size <= 4 else 200
        check_whole("max_steps", max_steps, low=2 * (size - 1))
        super().__init__(words=ACTIONS, max_steps=max_steps)
        self._size, self._p, self._is_slippery, self._rules = size, p, is_slippery, rules
        self._layout = layout
        ice = "slippery" if is_slippery else "firm"
        self._tags = ["frozen_lake", f"{size}x{size}", ice]
        self._task = (
            "Walk over the frozen lake to the goal without falling into a hole. "
            f"{_LEGENDS[rules]}. {_ICE[is_slippery]}"
        )
        self._rows: tuple[str, ...] = ()
        self._lake: FrozenLakeEnv | None = None

    def _draw_task(self) -> None:
        self._rows = draw_lake(
            self.np_random,
            size=self._size,
            p=self._p,
            random_ends=self._rules == "roll",
            max_distance=self.max_steps,
        )
        self._lake = FrozenLakeEnv(desc=list(self._rows), is_slippery=self._is_slippery)
        self._lake.reset(seed=int(self.np_random.integers(2**31)))

    def _play(self, word: str) -> float:
        assert self._lake is not None
        _, reward, _, _, _ = self._lake.step(ACTIONS.index(word))
        return float(reward)

    def _has_ended(self) -> bool:
        return self._tile() in (HOLE, GOAL)

    def _has_won(self) -> bool:
        return self._tile() == GOAL

    def _cell(self) -> int:
        assert self._lake is not None
        return int(self._lake.s)

    def _tile(self) -> str:
        row, column = divmod(self._cell(), self._size)
        return self._rows[row][column]

    def _text(self) -> str:
        symbols = [[_SYMBOLS[self._rules][tile] for tile in row] for row in self._rows]
        row, column = divmod(self._cell(), self._size)
        symbols[row][column] = _PLAYER[self._tile()]
        return grid_text(symbols, self._layout)

    def _state_info(self) -> dict[str, Any]:
        return {
            TASK: self._task,
            ANCHOR: self._text(),
            SCORE: float(self._has_won()),
            TAGS: list(self._tags),
        }

    def _expert_word(self) -> str | None:
        action = best_actions(self._rows, is_slippery=self._is_slippery)[self._cell()]
        return None if action is None else ACTIONS[action]

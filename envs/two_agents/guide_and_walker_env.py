"""GuideAndWalker: one agent sees the map and says a word, the other hears the word and moves."""

from __future__ import annotations

from typing import Any, Final

from ..common.grid_text import LAYOUTS, grid_text
from ..common.option_checks import check_choice, check_whole
from ..common.walled_map import MOVES, Cell, WalledMap
from ..common.word_game import WordGameEnv
from ..contract import ANCHOR, ROLE, SCORE, TAGS, TASK

GUIDE, WALKER = "guide", "walker"

WORDS: Final = {
    "compass": ("north", "south", "west", "east"),
    "colours": ("red", "green", "blue", "yellow"),
}
"""The words of the guide, in the order of `MOVES` by the expert's convention. Those of the compass
say what they mean; what a colour means, the two have to agree on."""

_MAX_SIZE = 8
_TASKS = {
    GUIDE: "Guide the walker W to the goal G around the walls #. Say one word to the walker, who "
    "sees no map and hears only the word.",
    WALKER: "Walk to the goal. You cannot see it: the guide, who sees the map, says one word to "
    "you before each move.",
}


class GuideAndWalkerEnv(WordGameEnv):
    """A map that the guide sees, and a walker on it who hears one word before each move.

    The two take turns: the guide says one of four words, then the walker moves by one cell. The
    walker sees the word and which moves are blocked, so it finds the goal only if both understand
    the words in the same way. Both earn 1 when the walker reaches the goal. Any other text changes
    nothing, gets a remark, and leaves the turn to the same agent. The seed draws the map.

    Args:
        size: Number of rows and of columns, from 2 to 8.
        num_walls: Number of walls; those that would cut off the goal are left out.
        words: "compass", or "colours", which have no meaning but that of the expert's convention.
        max_steps: Turns of both after which an unfinished episode is truncated; None for four
            times the number of cells.
        layout: How the map separates cells, "spaced" or "compact"; see ``grid_text.LAYOUTS``.

    Raises:
        ValueError: An option is out of range.
    """

    def __init__(
        self,
        size: int = 4,
        *,
        num_walls: int = 3,
        words: str = "compass",
        max_steps: int | None = None,
        layout: str = "spaced",
    ) -> None:
        """Check the options; ``reset`` draws the map."""
        check_whole("size", size, low=2, high=_MAX_SIZE)
        check_whole("num_walls", num_walls, low=0)
        check_choice("words", words, tuple(WORDS))
        check_choice("layout", layout, LAYOUTS)
        super().__init__(
            words=WORDS[words], max_steps=4 * size * size if max_steps is None else max_steps
        )
        self._size, self._num_walls, self._layout = size, num_walls, layout
        self._guide_words = WORDS[words]
        self._tags = ["guide_and_walker", f"{size}x{size}", words]
        self._map = WalledMap(size, (0, 0), (0, 1))
        self._walker: Cell = (0, 0)
        self._said: str | None = None  # the guide's word; None if it is the guide's turn

    def _draw_task(self) -> None:
        self._map = WalledMap.draw(self.np_random, size=self._size, num_walls=self._num_walls)
        self._walker = self._map.start
        self._give_turn(said=None)

    def _play(self, word: str) -> float:
        if self._said is None:
            self._give_turn(said=word)
            return 0.0
        self._walker = self._map.after(self._walker, word)
        self._give_turn(said=None)
        return float(self._has_won())

    def _give_turn(self, *, said: str | None) -> None:
        """Give the turn to the walker, who hears the word, or to the guide."""
        self._said = said
        self.words = self._guide_words if said is None else tuple(MOVES)

    @property
    def _role(self) -> str:
        return GUIDE if self._said is None else WALKER

    def _has_ended(self) -> bool:
        return self._has_won()

    def _has_won(self) -> bool:
        return self._walker == self._map.goal

    def _text(self) -> str:
        if self._said is None:
            return grid_text(self._map.symbols(self._walker), self._layout)
        blocked = ", ".join(self._map.blocked(self._walker)) or "nothing"
        return f"The guide says: {self._said}\nBlocked: {blocked}"

    def _state_info(self) -> dict[str, Any]:
        drawn = grid_text(self._map.symbols(self._walker), "compact")
        return {
            TASK: _TASKS[self._role],
            ROLE: self._role,
            # The whole state, with what the walker cannot see: anchors are never shown.
            ANCHOR: drawn if self._said is None else f"{drawn}\n{self._said}",
            SCORE: float(self._has_won()),
            TAGS: list(self._tags),
        }

    def _expert_word(self) -> str | None:
        if self._said is not None:  # the walker knows the words, and not the map
            return list(MOVES)[self._guide_words.index(self._said)]
        best = self._map.best_moves(self._walker)
        return self._guide_words[list(MOVES).index(best[0])] if best else None

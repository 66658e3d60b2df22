"""The identity of a state in games that give no more than their text."""

from __future__ import annotations

import re
from collections.abc import Hashable

# "Move 2", "turn 3/20", "18 moves remaining": with them no state would ever recur.
_COUNTERS = re.compile(
    r"\b(?:moves?|turns?|steps?)\s*[#:]?\s*\d+(?:\s*(?:/|of)\s*\d+)?"
    r"|\b\d+\s+(?:moves?|turns?|steps?|guesses|attempts)\s+(?:remaining|left)\b",
    re.IGNORECASE,
)


class ShownState:
    """Tells the states of one episode apart.

    A board is the state, without counters of moves, and the last one holds until the next. A game
    that shows none, such as guessing a number, is told by everything said since the start.
    """

    def __init__(self) -> None:
        """Nothing has been shown yet."""
        self._board = ""
        self._said: list[tuple[str, str]] = []

    def anchor(self, *, action: str, answer: str, board: str) -> Hashable:
        """Return the state after one action; ``board`` is empty where the answer shows none."""
        self._said.append((action, answer))
        self._board = _COUNTERS.sub("", board) or self._board
        return self._board or tuple(self._said)


def is_board(text: str) -> bool:
    """Whether a text may be a board: it has lines, where questions and remarks have one."""
    return "\n" in text.strip()


def in_short(error: Exception) -> str:
    """Say what a game complained of in one line; missing data of NLTK fills a page."""
    return " ".join(str(error).split())[:200]

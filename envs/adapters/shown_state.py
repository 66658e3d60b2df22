"""The identity of a state in games that provide only text."""

from __future__ import annotations

import re
from collections.abc import Hashable

# "Move 2", "turn 3/20", "18 moves remaining": with counters, no state would ever recur.
_COUNTERS = re.compile(
    r"\b(?:moves?|turns?|steps?)\s*[#:]?\s*\d+(?:\s*(?:/|of)\s*\d+)?"
    r"|\b\d+\s+(?:moves?|turns?|steps?|guesses|attempts)\s+(?:remaining|left)\b",
    re.IGNORECASE,
)


class ShownState:
    """The identity of the states of one episode.

    If the game shows a board, the last board is the state, without its move counters. If it shows
    none, as in guessing a number, the state is everything said since the start.
    """

    def __init__(self) -> None:
        """Begin with nothing shown."""
        self._board = ""
        self._said: list[tuple[str, str]] = []

    def anchor(self, *, action: str, answer: str, board: str) -> Hashable:
        """Return the state after one action; ``board`` is empty if the answer shows none."""
        self._said.append((action, answer))
        self._board = _COUNTERS.sub("", board) or self._board
        return self._board or tuple(self._said)


def is_board(text: str) -> bool:
    """Return whether a text may be a board: it has several lines, unlike a question or remark."""
    return "\n" in text.strip()


def in_short(error: Exception) -> str:
    """Return an error's message in one line; the error for missing NLTK data fills a page."""
    return " ".join(str(error).split())[:200]

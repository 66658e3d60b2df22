"""Progress in a game of interactive fiction, from the interpreter's memory or the game's text."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from ...textworld.interpreter_text import clean_feedback

# Inform and Infocom: "*** You have won ***", the score, "Would you like to RESTART, ...?". The last
# is required, because some games print stars for a death that the player survives.
_ENDING = re.compile(r"\*{3,}\s*([^*]+?)\s*\*{3,}.*\bRESTART\b", re.DOTALL | re.IGNORECASE)
_VICTORY = re.compile(r"\b(won|win)\b", re.IGNORECASE)
_SCORE = re.compile(
    r"\bscored?\b(?: is| was| would be)?:? (-?\d+)"
    r"(?:,? \(?(?:out of|total of|of)(?: a)?(?: possible| maximum| total)?(?: of)? (\d+))?",
    re.IGNORECASE,
)


class Progress(NamedTuple):
    """The state of the game after one turn."""

    anchor: str
    score: float = 0.0
    is_won: bool = False
    has_ended: bool = False


class ProgressReader(ABC):
    """A reader of the progress after each turn."""

    def __init__(self, game: Any) -> None:
        """Keep the interpreter, a ``jericho.FrotzEnv``."""
        self._game = game

    @abstractmethod
    def read(self, text: str) -> Progress:
        """Return the progress after the turn that the game answered with ``text``."""


class MemoryReader(ProgressReader):
    """The reader for games whose memory Jericho knows."""

    def read(self, text: str) -> Progress:
        """Read the progress from Jericho."""
        game = self._game
        is_won = bool(game.victory())
        has_ended = is_won or bool(game.game_over())
        return Progress(game.get_world_state_hash(), float(game.get_score()), is_won, has_ended)


class TextReader(ProgressReader):
    """The reader for all other games, from their answers to "look", "inventory" and "score".

    The interpreter's state is restored after these questions, so they cost the player no turn. A
    game without a score has score 0. Stars mark the end of a game; it is a victory if they say
    "won", or "The End" with the full score, as in the games of TextWorld.
    """

    _score = 0.0

    def read(self, text: str) -> Progress:
        """Question the game, unless it is over."""
        ending = _ENDING.search(text)
        if ending or self._game._emulator_halted():
            return self._last(text, ending[1] if ending else "")
        room, inventory, score = map(self._ask, ("look", "inventory", "score"))
        self._score = _points(score)[0]
        return Progress(f"{room}\n{inventory}", self._score)

    def _last(self, text: str, verdict: str) -> Progress:
        score, most = _points(text, self._score)
        is_complete = most is not None and score >= most
        is_won = bool(_VICTORY.search(verdict)) or (verdict.lower() == "the end" and is_complete)
        return Progress(clean_feedback(text), score, is_won, has_ended=True)

    def _ask(self, command: str) -> str:
        state = self._game.get_state()
        answer, *_ = self._game.step(command)
        self._game.set_state(state)
        return clean_feedback(answer)


def progress_reader(game: Any) -> ProgressReader:
    """Return the reader for an open game."""
    return MemoryReader(game) if game.is_fully_supported else TextReader(game)


def _points(text: str, otherwise: float = 0.0) -> tuple[float, float | None]:
    """Return the score that a text states, and the highest possible score if stated."""
    found = _SCORE.search(text)
    if not found:
        return otherwise, None
    return float(found[1]), float(found[2]) if found[2] else None

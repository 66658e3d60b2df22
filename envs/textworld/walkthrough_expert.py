"""A fallback expert for TextWorld games that TextWorld itself cannot plan."""

from __future__ import annotations

from collections.abc import Sequence

_WAY_BACK = {"north": "south", "south": "north", "east": "west", "west": "east"}


class WalkthroughExpert:
    """An expert that follows a game's recorded solution, and walks back after a detour.

    TextWorld plans again after every step, except in cooking games with "drop", where only the
    solution from the start is known. Once the player changes the world differently from the
    solution, no good action is known.
    """

    def __init__(self, walkthrough: Sequence[str]) -> None:
        """Start at the first command of ``walkthrough``."""
        self._remaining = list(walkthrough)
        self._way_back: list[str] = []
        self._is_lost = False

    def suggest(self) -> str | None:
        """Return the next command, or None if none is known."""
        if self._is_lost:
            return None
        if self._way_back:
            return self._way_back[-1]
        return self._remaining[0] if self._remaining else None

    def observe(self, command: str, *, has_changed: bool) -> None:
        """Record the player's command and whether it changed what the player sees."""
        if command == self.suggest():
            (self._way_back or self._remaining).pop(-1 if self._way_back else 0)
        elif has_changed:
            verb, _, direction = command.partition(" ")
            if verb == "go" and direction in _WAY_BACK:
                self._way_back.append(f"go {_WAY_BACK[direction]}")
            else:
                self._is_lost = True

"""The function that makes a game of GEM by name."""

from __future__ import annotations

from typing import Any

from ...common.optional_backends import import_backend
from ..global_random import OwnRandomState
from ..shown_state import in_short


def make_game(name: str) -> Any:
    """Make a game.

    Raises:
        ValueError: GEM has no game of that name, or lacks the game's data.
    """
    gem = import_backend("gem", extra="gem")
    try:
        with OwnRandomState(0):  # games draw from the global generators when they are made
            return gem.make(name)
    except (ValueError, LookupError, ImportError) as error:
        raise ValueError(
            f"GEM cannot make {name!r} ({in_short(error)}). Set name to another game, such as "
            "game:GuessTheNumber-v0-easy, or install what it asks for."
        ) from error

"""A factory for TextArena's games, and a check that one player can play them here."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from typing import Any

from ...common.optional_backends import import_backend
from ..global_random import OwnRandomState
from ..shown_state import in_short


def make_game(name: str) -> Any:
    """Make a game by its TextArena id."""
    return import_backend("textarena", extra="textarena").make(name)


@cache
def check_playable(name: str) -> None:
    """Begin a game once per process to check that one player can play it.

    Raises:
        ValueError: There is no such game, it needs more players, or its data is missing.
    """
    arena = import_backend("textarena", extra="textarena")
    known = import_backend("textarena.envs.registration", extra="textarena").ENV_REGISTRY
    if name not in known:
        near = ", ".join(get_close_matches(str(name), known)) or "FrozenLake-v0-raw"
        raise ValueError(f"TextArena has no game {name!r}. Set name to another, such as {near}.")
    try:
        with OwnRandomState(0):
            game = make_game(name)
            game.reset(num_players=1, seed=0)
        is_for_one = isinstance(game.state, arena.SinglePlayerState)
        reason = "it is a game for several players"
    except Exception as error:  # each game raises its own errors for missing players or data
        is_for_one, reason = False, in_short(error)
    if not is_for_one:
        raise ValueError(
            f"TextArena's {name!r} cannot be played by one player here ({reason}). Set name to a "
            "single-player game, such as FrozenLake-v0-raw, or install the data that it asks for."
        )

"""A check that a TextWorld game is complete: its story file and its JSON description."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..common.z_machine_file import check_z_machine_file
from .textworld_generator import TEXTWORLD_LOCK

_CHECKED_FILES = 4096  # a group of episodes asks for one game many times


def check_game_file(path: Path) -> None:
    """Check that a game can be loaded, which takes about 20 ms, once per version of its files.

    Args:
        path: The .z8 file, with its .json next to it. The interpreter ends the process if the .z8
            file is damaged.

    Raises:
        ValueError: One of the two files is missing or damaged; the message names it and the fix.
    """
    description = path.with_suffix(".json")
    for file in (path, description):
        if not file.is_file():
            raise ValueError(f"There is no file {str(file)!r}. A game is a .z8 with its .json.")
    versions = tuple((stat.st_mtime_ns, stat.st_size) for stat in (path.stat(), description.stat()))
    _check(path, description, versions)


def is_whole_game(path: Path) -> bool:
    """Return whether a game exists and can be loaded."""
    try:
        check_game_file(path)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=_CHECKED_FILES)
def _check(path: Path, description: Path, versions: tuple[tuple[int, int], ...]) -> None:
    check_z_machine_file(path)
    try:
        _read_description(description.read_text(encoding="utf-8"))
    except Exception as error:  # TextWorld's reader may raise anything
        raise ValueError(
            f"{str(description)!r} does not describe a TextWorld game ({type(error).__name__}: "
            f"{error}). Make the game again with tw-make, which writes both files."
        ) from error


def _read_description(text: str) -> None:
    from textworld import Game

    content: Any = json.loads(text)
    with TEXTWORLD_LOCK:
        game = Game.deserialize(content)
    walkthrough = game.metadata.get("walkthrough")
    if not isinstance(walkthrough, list | None) or not all(
        isinstance(command, str) for command in walkthrough or ()
    ):
        raise TypeError("metadata.walkthrough is not a list of commands")

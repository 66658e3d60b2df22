"""Files of generated games: cached one by one for the environment, or written as a data set."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..common.cache_folder import cache_folder
from .backend import ALFWORLD_LOCK, alfworld_version
from .game import load_game
from .generation.generator import GENERATOR_VERSION, GeneratedGame, generate_game

GAME_FILE = "game.tw-pddl"
DATA_FOLDER = "json_2.1.1"
"""The folder below ``ALFWORLD_DATA`` in which ALFWorld looks for the splits."""


def default_cache_dir() -> Path:
    """Return ``$XDG_CACHE_HOME/rllib_gigpo/alfworld`` (``~/.cache/...`` if that is unset)."""
    return cache_folder("alfworld")


def cached_game(
    task_type: str, number: int, *, split: str, cache_dir: str | Path | None = None
) -> Path:
    """Return the file of a generated game, making it if it is not in the cache.

    Threads take turns. Two processes may make the same game at once; they write the same bytes. A
    damaged file is generated again.

    Args:
        task_type: One of ``TASK_TYPES``.
        number: The game's number.
        split: One of ``SPLITS``.
        cache_dir: The cache folder; None uses ``default_cache_dir()``.
    """
    family = f"alfworld-{alfworld_version()}_games-{GENERATOR_VERSION}"
    root = Path(cache_dir or default_cache_dir()).expanduser().absolute()
    path = root / family / split / task_type / f"{number}.tw-pddl"
    if not _is_whole(path):
        with ALFWORLD_LOCK:
            if not _is_whole(path):
                _write(path, json.dumps(generate_game(task_type, number, split=split).data))
    return path


def _is_whole(path: Path) -> bool:
    """Return whether a file holds a playable game, which then stays in memory."""
    try:
        load_game(path)
    except ValueError:
        return False
    return True


def write_games(
    output: str | Path, split: str, num_games: int, task_types: Sequence[str]
) -> Iterator[Path]:
    """Write a split of generated games in the folder layout of ALFWorld's own data.

    Args:
        output: The data folder, for use as ``ALFWORLD_DATA``.
        split: One of ``SPLITS``.
        num_games: Number of games; the task types alternate.
        task_types: Some of ``TASK_TYPES``.

    Yields:
        The file of each game once it is written.
    """
    root = Path(output).expanduser() / DATA_FOLDER / split
    for index in range(num_games):
        number, kind = divmod(index, len(task_types))
        game = generate_game(task_types[kind], number, split=split)
        yield _write_trial(root / game.folder / game.trial, game)


def _write_trial(folder: Path, game: GeneratedGame) -> Path:
    _write(folder / "initial_state.pddl", game.data["pddl_problem"])
    _write(folder / GAME_FILE, json.dumps(game.data))
    # Last, because ALFWorld takes any folder with this file for a game.
    _write(folder / "traj_data.json", json.dumps(game.trajectory))
    return folder / GAME_FILE


def _write(path: Path, text: str) -> None:
    """Write a file atomically, safe against other readers and writers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        file = Path(folder, path.name)
        file.write_text(text, encoding="utf-8")
        os.replace(file, path)

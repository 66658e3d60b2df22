"""The source of a TextWorld environment's games: generated from seeds, or given as files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..common.cache_folder import make_cache_folder
from ..contract import DATA_FILES, TASK_ID
from .game_file_check import check_game_file
from .textworld_games import GameSpec, Option, default_cache_dir, game_file


class TextWorldSource(ABC):
    """The source of the game of each seed.

    Attributes:
        tags: Labels of the games, for the metrics.
    """

    tags: tuple[str, ...]

    @abstractmethod
    def file(self, seed: int) -> Path:
        """Return the .z8 file of the seed's game."""

    def names(self, game: Path) -> dict[str, Any]:
        """Return what ``info`` says of a given game: its name and its file."""
        return {}


class SeededGames(TextWorldSource):
    """Games generated on first use, a separate one for every seed."""

    def __init__(self, spec: GameSpec, cache_dir: str | Path | None) -> None:
        """Keep the specification; no game is made yet.

        Raises:
            ValueError: The cache folder cannot be made.
        """
        make_cache_folder(cache_dir or default_cache_dir())
        self._spec, self._cache_dir = spec, cache_dir
        options = (f"{name}={value}" for name, value in spec.options)
        self.tags = ("textworld", spec.challenge, *options)

    def file(self, seed: int) -> Path:
        """Return the game's file, from the cache if possible."""
        return game_file(self._spec, seed, cache_dir=self._cache_dir)


class GivenGames(TextWorldSource):
    """A list of game files; the seed modulo their number picks one."""

    tags = ("textworld", "game_files")

    def __init__(self, files: Sequence[str | Path]) -> None:
        """Check that every file exists and is complete, with its description.

        Raises:
            ValueError: The list is empty, or a file is missing, damaged or of another kind.
        """
        if isinstance(files, str | Path):
            raise ValueError(f"game_files must be a list of files; got {str(files)!r} alone.")
        self._files = [Path(file).expanduser().absolute() for file in files]
        bad = [str(file) for file in self._files if not _is_game(file)]
        if bad or not self._files:
            raise ValueError(
                "game_files must name existing .z8 files, each with its .json next to it (tw-make "
                f"writes both); got {', '.join(bad) or 'an empty list'}."
            )
        for file in self._files:
            check_game_file(file)

    def file(self, seed: int) -> Path:
        """Return one of the files."""
        return self._files[seed % len(self._files)]

    def names(self, game: Path) -> dict[str, Any]:
        """Return the file's name, and the file."""
        return {TASK_ID: game.stem, DATA_FILES: [str(game)]}


def _is_game(file: Path) -> bool:
    return file.suffix == ".z8" and file.is_file() and file.with_suffix(".json").is_file()


def game_source(
    challenge: str,
    options: Mapping[str, Option],
    game_files: Sequence[str | Path] | None,
    cache_dir: str | Path | None,
) -> TextWorldSource:
    """Return the source for an environment's options.

    Raises:
        ValueError: The options contradict each other, or name no game.
    """
    if game_files is None:
        return SeededGames(GameSpec.create(challenge, options), cache_dir)
    if options:
        raise ValueError(
            f"game_files and challenge options ({', '.join(options)}) exclude each other. "
            "Leave one of them out."
        )
    return GivenGames(game_files)

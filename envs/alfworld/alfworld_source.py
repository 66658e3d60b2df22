"""The choice of the game that a seed plays: one from a data set, or its own generated game."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..common.cache_folder import make_cache_folder
from ..common.option_checks import check_choice
from ..contract import DATA_FILES, TASK_ID
from .game_files import cached_game, default_cache_dir
from .generation.scene import SPLITS
from .official_games import data_folder, find_games, task_type_of
from .pddl_goals import TASK_TYPES


@dataclass(frozen=True, slots=True)
class ALFWorldSource:
    """The source of the game of each seed.

    Attributes:
        root: Folder of a data set; None for generated games.
        splits: The splits of the training seeds and of the test seeds.
        task_types: The task types to play.
        first_test_seed: The lowest test seed.
        cache_dir: Folder for generated games; None uses a folder in the user's cache.
    """

    root: Path | None
    splits: tuple[str, str]
    task_types: tuple[str, ...]
    first_test_seed: int
    cache_dir: str | Path | None

    def game(self, seed: int) -> tuple[Path, str]:
        """Return the seed's game file and its task type.

        In a data set, the seed modulo the number of games picks the game. Generated games are
        unlimited: the task types alternate, and each seed has its own game.
        """
        is_test = seed >= self.first_test_seed
        split = self.splits[is_test]
        if self.root is None:
            number, kind = divmod(seed, len(self.task_types))
            task_type = self.task_types[kind]
            return cached_game(task_type, number, split=split, cache_dir=self.cache_dir), task_type
        games = find_games(self.root, split, self.task_types)
        file = games[(seed - self.first_test_seed if is_test else seed) % len(games)]
        return file, str(task_type_of(file))

    def names(self, game: Path) -> dict[str, Any]:
        """Return what ``info`` says of a data set's game: its name and its file."""
        if self.root is None:
            return {}
        return {TASK_ID: "/".join(game.parts[-3:-1]), DATA_FILES: [str(game)]}


def game_source(
    data_dir: str | Path | None,
    *,
    split: str,
    test_split: str | None,
    task_types: Sequence[str] | None,
    first_test_seed: int,
    cache_dir: str | Path | None,
) -> ALFWorldSource:
    """Return the source for an environment's options; see ``ALFWorldEnv``.

    Raises:
        ValueError: An option has an unknown value, the data contains no such game, or the folder
            for generated games cannot be made.
    """
    splits = (split, split if test_split is None else test_split)
    for name, value in zip(("split", "test_split"), splits, strict=True):
        check_choice(name, value, SPLITS)
    is_list = isinstance(task_types, Sequence) and not isinstance(task_types, str)
    if task_types is not None and not (is_list and task_types):
        raise ValueError(
            f"task_types must be a non-empty list from {', '.join(TASK_TYPES)}; got {task_types!r}."
        )
    for task_type in task_types or ():
        check_choice("task_types", task_type, TASK_TYPES)
    chosen = tuple(dict.fromkeys(task_types or TASK_TYPES))
    root = data_folder(data_dir)
    if root is None:
        make_cache_folder(cache_dir or default_cache_dir())
    else:  # an empty data set is an error now, not at the first reset
        for each in dict.fromkeys(splits):
            find_games(root, each, chosen)
    return ALFWorldSource(root, splits, chosen, first_test_seed, cache_dir)

"""The search for games in ALFWorld's own data, or in a data set with the same folder layout."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np

from .game_files import DATA_FOLDER, GAME_FILE
from .generation.scene import SPLITS
from .pddl_goals import TASK_TYPES

_SOLVABLE = re.compile(r'"solvable":\s*true')
_MOST_NAMED = 5  # damaged files listed in one message
_UNSUPPORTED = ("movable", "Sliced")  # in the folder's name; ALFWorld skips these games, too


def data_folder(data_dir: str | Path | None) -> Path | None:
    """Return the folder of the data set to play, or None to play generated games.

    Args:
        data_dir: The user's choice; None uses the environment variable ``ALFWORLD_DATA``. When the
            package ``alfworld`` is imported, it sets that variable to a folder in the user's cache,
            so that folder counts only if it contains games.

    Raises:
        ValueError: The chosen folder contains no split.
    """
    chosen = data_dir or os.environ.get("ALFWORLD_DATA")
    if not chosen:
        return None
    root = Path(chosen).expanduser().absolute()
    if any(_split_folder(root, split).is_dir() for split in SPLITS):
        return root
    if data_dir is None and root == Path.home() / ".cache" / "alfworld":
        return None
    source = "data_dir" if data_dir else "ALFWORLD_DATA"
    raise ValueError(
        f"{source}={chosen} contains no {DATA_FOLDER}/{{{','.join(SPLITS)}}}. Use the folder that "
        "alfworld-download or rllib make-alfworld-games wrote, or leave it out to play generated "
        "games."
    )


@lru_cache(maxsize=16)
def find_games(root: Path, split: str, task_types: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the games of a split that ALFWorld would play, in a fixed, mixed order.

    Every file is read once per process (a few seconds for the official 3,553).

    Raises:
        ValueError: There are no games, or a file is damaged; skipping it would change the game of
            every seed.
    """
    folder = _split_folder(root, split)
    files = _solvable_games(
        file
        for file in sorted(folder.glob(f"*/*/{GAME_FILE}"))
        if task_type_of(file) in task_types
        and not any(word in str(file.relative_to(folder)) for word in _UNSUPPORTED)
    )
    if not files:
        raise ValueError(
            f"{folder} contains no solvable game of {', '.join(task_types)}. Choose another split "
            "or other task_types, or generate games (rllib make-alfworld-games)."
        )
    # In sorted order, the first hundred games would be of one type.
    order = np.random.default_rng(len(files)).permutation(len(files))
    return tuple(files[index] for index in order)


def task_type_of(file: Path) -> str | None:
    """Return the task type in a path like ``.../pick_and_place_simple-Mug-None-Desk-308/...``."""
    kind = file.parent.parent.name.partition("-")[0]
    return kind if kind in TASK_TYPES else None


def _solvable_games(files: Iterable[Path]) -> list[Path]:
    """Keep the games marked as solvable; raise an error for files that are empty or truncated.

    The files are not parsed, which would take much longer; the ``reset`` that plays a file reports
    other damage in it.
    """
    solvable: list[Path] = []
    damaged: list[Path] = []
    for file in files:
        text = file.read_text(encoding="utf-8-sig", errors="replace").strip()
        if not (text.startswith("{") and text.endswith("}")):
            damaged.append(file)
        elif _SOLVABLE.search(text):
            solvable.append(file)
    if damaged:
        named = ", ".join(map(str, damaged[:_MOST_NAMED]))
        raise ValueError(
            f"{len(damaged)} game file(s) are empty or truncated: {named}"
            f"{', ...' if len(damaged) > _MOST_NAMED else ''}. Download or generate them again "
            "(rllib make-alfworld-games), or remove them from the folder."
        )
    return solvable


def _split_folder(root: Path, split: str) -> Path:
    nested = root / DATA_FOLDER / split
    return nested if nested.is_dir() else root / split

"""Finds the games of ALFWorld's own data, or of a data set in the same folders."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

import numpy as np

from .game_files import DATA_FOLDER, GAME_FILE
from .goals import TASK_TYPES
from .scene import SPLITS

_SOLVABLE = re.compile(r'"solvable":\s*true')
_UNSUPPORTED = ("movable", "Sliced")  # in the name of the folder; ALFWorld leaves them out, too


def data_folder(data_dir: str | Path | None) -> Path | None:
    """Return the folder of the data set to play; None means: play generated games.

    Args:
        data_dir: The user's choice; None asks the variable ``ALFWORLD_DATA``. The package
            ``alfworld`` sets that to a folder in the user's cache when it is imported; so that
            one folder counts only if it holds games.

    Raises:
        ValueError: If the folder chosen holds no split.
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
        f"{source}={chosen} holds no {DATA_FOLDER}/{{{','.join(SPLITS)}}}: name the folder into "
        "which alfworld-download or rllib make-alfworld-games wrote, or leave it out to play "
        "generated games."
    )


@lru_cache(maxsize=16)
def find_games(root: Path, split: str, task_types: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the games of a split that ALFWorld would play, in a fixed, mixed order.

    Every file is looked at once in a process (some seconds for the official 3,553).

    Raises:
        ValueError: If there is none.
    """
    folder = _split_folder(root, split)
    files = [
        file
        for file in sorted(folder.glob(f"*/*/{GAME_FILE}"))
        if task_type_of(file) in task_types
        and not any(word in str(file.relative_to(folder)) for word in _UNSUPPORTED)
        and _SOLVABLE.search(file.read_text(encoding="utf-8", errors="replace"))
    ]
    if not files:
        raise ValueError(
            f"{folder} holds no solvable game of {', '.join(task_types)}: choose another split or "
            "other task_types, or generate some (rllib make-alfworld-games)."
        )
    # Sorted, the first hundred games would be of one type.
    order = np.random.default_rng(len(files)).permutation(len(files))
    return tuple(files[index] for index in order)


def task_type_of(file: Path) -> str | None:
    """The task type in a path such as ``.../pick_and_place_simple-Mug-None-Desk-308/trial/...``."""
    kind = file.parent.parent.name.partition("-")[0]
    return kind if kind in TASK_TYPES else None


def _split_folder(root: Path, split: str) -> Path:
    nested = root / DATA_FOLDER / split
    return nested if nested.is_dir() else root / split

"""Files of recorded token rows: real rollouts for benchmarks that do not play.

`gpu/record_rollouts.py` makes ``gpu/rollouts.npz``, which holds:

    main_job/iteration_1, _11, _21, _31   the main job (tuned_examples/tiny/textworld_gigpo_tiny.py)
    alfworld/early, alfworld/late         8 episodes of one ALFWorld task, with long prompts

Reading needs only NumPy, so it works where Ray is not installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np

from rllib_gigpo.batch.token_rows import TokenRows

ROLLOUTS = Path(__file__).parent / "gpu" / "rollouts.npz"


def write_rollouts(path: Path, rollouts: Mapping[str, TokenRows]) -> None:
    """Write rows to a compressed file.

    Args:
        path: The file, which ends in ``.npz``.
        rollouts: Rows by name; names may contain slashes.
    """
    arrays = {
        f"{name}/{field.name}": getattr(rows, field.name)
        for name, rows in rollouts.items()
        for field in fields(TokenRows)
        if getattr(rows, field.name) is not None
    }
    np.savez_compressed(path, **arrays)


def read_rollouts(path: Path = ROLLOUTS) -> dict[str, TokenRows]:
    """Read the rows of a file that `write_rollouts` wrote.

    Args:
        path: The file.

    Returns:
        Rows by name, in the order in which they were written.
    """
    columns: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path) as file:
        for key in file.files:
            name, _, column = key.rpartition("/")
            columns.setdefault(name, {})[column] = file[key]
    return {name: TokenRows(**arrays) for name, arrays in columns.items()}

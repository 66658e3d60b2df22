"""Hashes of how a task starts, and of the files that it is read from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rllib_gigpo.envs.contract import ADMISSIBLE_ACTIONS, DATA_FILES, TASK, TASK_ID
from rllib_gigpo.panels.panel import PanelTask, digest_of_text


def started_task(seed: int, observation: Any, info: Mapping[str, Any]) -> PanelTask:
    """Describe a task by what its ``reset(seed=seed)`` returned.

    Args:
        seed: The task's seed.
        observation: The first observation: text, an array, or a dict or list of these.
        info: The first info, read through `rllib_gigpo.envs.info_fence.read_info`.
    """
    start = (observation, info.get(TASK, ""), tuple(info.get(ADMISSIBLE_ACTIONS, ())))
    return PanelTask(
        seed=seed,
        id=info.get(TASK_ID),
        start=digest_of_text(_canonical(start)),
        files={Path(file).name: file_digest(file) for file in info.get(DATA_FILES, ())},
    )


def split_paths(env_config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Separate the settings that name files or folders of this machine from the others.

    Returns:
        The other settings, and those with a path or a list of paths.
    """
    paths = {name: value for name, value in env_config.items() if _is_path(value)}
    return {name: value for name, value in env_config.items() if name not in paths}, paths


def file_digests(paths: Mapping[str, Any]) -> dict[str, str]:
    """Hash the single files among these settings; the files in a folder are those of tasks."""
    return {
        name: file_digest(path)
        for name, path in paths.items()
        if isinstance(path, str | Path) and Path(path).is_file()
    }


def file_digest(path: str | Path) -> str:
    """Return the hash of a file's content."""
    file = Path(path)
    state = file.stat()
    return _digest_of_file(str(file), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4096)
def _digest_of_file(path: str, mtime_ns: int, size: int) -> str:
    with open(path, "rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def _is_path(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(map(_is_path, value))
    is_named = isinstance(value, str) and os.sep in value
    return isinstance(value, Path) or (is_named and Path(value).exists())


def _canonical(value: Any) -> str:
    """Write a value as text that is equal for equal values, and different for others."""
    if isinstance(value, np.ndarray):
        content = hashlib.blake2b(np.ascontiguousarray(value).tobytes(), digest_size=16)
        return f"array{value.shape}{value.dtype}{content.hexdigest()}"
    if isinstance(value, Mapping):
        parts = sorted((str(key), _canonical(part)) for key, part in value.items())
        return f"map{parts!r}"
    if isinstance(value, list | tuple):
        return f"list{[_canonical(part) for part in value]!r}"
    return repr(value)

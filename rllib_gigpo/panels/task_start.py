"""Hashes of how a task starts, and of the files that it is read from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rllib_gigpo.envs.contract import ADMISSIBLE_ACTIONS, DATA_FILES, TASK, TASK_ID
from rllib_gigpo.errors import PanelError
from rllib_gigpo.panels.panel import Panel, PanelTask, digest_of_text


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
        The other settings; and those with a path or a list of paths, made absolute.

    Raises:
        PanelError: A path lies inside of a dict, where the next machine could not replace it.
    """
    paths = {name: _absolute(value) for name, value in env_config.items() if _is_path(value)}
    settings = {name: value for name, value in env_config.items() if name not in paths}
    for name, value in settings.items():
        for inner in _parts(value):
            if _is_path(inner):
                raise PanelError(
                    f"The setting {name} of the environment holds the path {str(inner)!r} inside of"
                    " other values; a panel stores paths at the top level only, so use an"
                    " environment that takes it there"
                )
    return settings, paths


def local_paths(panel: Panel, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check that given settings only say where a panel's files lie on this machine.

    Args:
        panel: The panel.
        given: Settings of its environment, as from ``--env-config``.

    Returns:
        Those with paths, made absolute.

    Raises:
        PanelError: A file is missing, or a setting is no path.
    """
    _, paths = split_paths(given)
    for name, value in given.items():
        if name in panel.env_config:
            if panel.env_config[name] != value:
                raise PanelError(
                    f"The panel {panel.label} sets {name}={panel.env_config[name]!r}; leave {name}"
                    " out, or make another panel with `rllib panel make --env`"
                )
        elif name not in paths:
            raise PanelError(
                f"{name}={value!r} names no file or folder that is here. Other settings of the"
                " environment are part of a panel: make another one with `rllib panel make --env`"
            )
        else:
            missing = [path for path in _listed(paths[name]) if not Path(path).exists()]
            if missing:
                raise PanelError(f"{name}: {missing[0]} is not here; give the path of your copy")
    return paths


def file_digests(paths: Mapping[str, Any]) -> dict[str, str]:
    """Hash the files among these settings; the files in a folder are those of tasks."""
    found = {}
    for name, value in paths.items():
        files = _listed(value)
        if all(Path(file).is_file() for file in files):
            digests = [file_digest(file) for file in files]
            found[name] = digests[0] if len(files) == 1 else digest_of_text(" ".join(digests))
    return found


def file_digest(path: str | Path) -> str:
    """Return the hash of a file's content.

    Raises:
        PanelError: It cannot be read here.
    """
    file = Path(path)
    try:
        state = file.stat()
    except OSError as error:
        raise PanelError(f"The data file {file} cannot be read: {error.strerror}") from error
    return _digest_of_file(str(file), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4096)
def _digest_of_file(path: str, mtime_ns: int, size: int) -> str:
    with open(path, "rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def _is_path(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(map(_is_path, value))
    if not isinstance(value, str):
        return isinstance(value, Path)
    path = Path(value).expanduser()
    is_named = os.sep in value or bool(path.suffix)
    return path.is_absolute() or (is_named and path.exists())


def _absolute(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_absolute(one) for one in value]
    return str(Path(value).expanduser().resolve())


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _parts(value: Any) -> Iterator[Any]:
    """Yield what lies inside of dicts and lists."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            yield one
            yield from _parts(one)


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

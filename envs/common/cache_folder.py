"""The cache folder for the games that environments generate."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """Return ``$XDG_CACHE_HOME/rllib_gigpo/<name>`` (``~/.cache/...`` if that is unset)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rllib_gigpo" / name


def make_cache_folder(cache_dir: str | Path) -> None:
    """Make the folder for generated games, to report a failure before the first reset.

    Raises:
        ValueError: The folder cannot be made.
    """
    folder = Path(cache_dir).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"cache_dir={str(folder)!r} cannot be made ({error.strerror}). Set cache_dir in "
            "env_config (or XDG_CACHE_HOME) to a folder that you can write to."
        ) from error

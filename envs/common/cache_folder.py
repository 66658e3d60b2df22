"""Where environments keep what they generate."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """Return ``$XDG_CACHE_HOME/rllib_gigpo/<name>`` (``~/.cache/...`` where it is unset)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rllib_gigpo" / name


def make_cache_folder(cache_dir: str | Path) -> None:
    """Make the folder for generated games: better told at the start than at the first reset.

    Raises:
        ValueError: It cannot be made.
    """
    folder = Path(cache_dir).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"cache_dir={str(folder)!r} cannot be made ({error.strerror}): name a folder that you "
            "may write to, in env_config (or in XDG_CACHE_HOME)."
        ) from error

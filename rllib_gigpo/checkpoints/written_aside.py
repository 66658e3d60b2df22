"""A folder that appears at its place only when it is complete, and what its disk has left."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """Yield a new folder to write to, and rename it to ``target`` at the end.

    It is next to ``target``, so both are on one disk and the rename is atomic. After an exception
    the new folder is deleted, and ``target`` is as it was. Files in ``target`` that the new folder
    lacks are kept.
    """
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = _sibling(target, "partial")
    aside.mkdir()
    try:
        yield aside
        _place(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def disk_state(path: Path) -> str:
    """Describe the disk of a file or folder: "the disk at /data has 0 of 100 MB free"."""
    place = path.absolute()
    while not os.path.exists(place):  # Path.exists raises for a name that is too long
        place = place.parent
    usage = shutil.disk_usage(place)
    while not os.path.ismount(place):
        place = place.parent
    return f"the disk at {place} has {usage.free / 1e6:,.0f} of {usage.total / 1e6:,.0f} MB free"


def _place(aside: Path, target: Path) -> None:
    if target.exists():
        shutil.copymode(target, aside)
    if not target.exists() or not any(target.iterdir()):
        os.replace(aside, target)
        return
    earlier = _sibling(target, "earlier")
    os.replace(target, earlier)
    try:
        os.replace(aside, target)
    except OSError:
        os.replace(earlier, target)
        raise
    for entry in earlier.iterdir():
        if not (target / entry.name).exists():
            os.replace(entry, target / entry.name)
    shutil.rmtree(earlier, ignore_errors=True)


def _sibling(target: Path, purpose: str) -> Path:
    return target.with_name(f".{target.name}.{purpose}-{uuid.uuid4().hex[:8]}")

"""A folder that appears at its place only when it is complete, and what its disk has left.

A killed process leaves its unfinished folder behind. The next writer deletes it; readers ignore
it, because its name begins with a dot.
"""

import fcntl
import glob
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_PARTIAL, _EARLIER = "partial", "earlier"
_UNLOCKED_S = 10.0  # a new folder is not locked for a moment


@contextmanager
def written_aside(
    target: Path, *, keep: Callable[[Path], bool] = lambda entry: True
) -> Iterator[Path]:
    """Yield a new folder to write to, and rename it to ``target`` at the end.

    It is next to ``target``, so both are on one disk and the rename is atomic. After an exception
    the new folder is deleted, and ``target`` is as it was.

    Args:
        target: The folder's place.
        keep: Which entries of an earlier ``target`` stay, if the new folder lacks them.
    """
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    tidy(target, keep=keep)
    aside = _sibling(target, _PARTIAL)
    aside.mkdir()
    try:
        with _locked(aside):
            yield aside
            flush(aside)
            _place(aside, target, keep)
            _flush_entry(target.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """Yield a new folder in the system's temporary folder, and delete it at the end.

    Those that killed processes left there for the same purpose are deleted first.
    """
    prefix = f"rllib_gigpo_{purpose}_"
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        if _is_abandoned(left):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix) as name, _locked(Path(name)):
        yield Path(name)


def tidy(target: Path, *, keep: Callable[[Path], bool] = lambda entry: True) -> None:
    """Finish or undo what a killed writer of ``target`` has left next to it.

    An earlier folder that it had moved away returns to its place; unfinished ones are deleted.
    """
    for left in _left_next_to(target, _EARLIER):
        if not target.exists():
            os.replace(left, target)
        elif _is_abandoned(left):
            _merge(left, target, keep)
    for left in _left_next_to(target, _PARTIAL):
        if _is_abandoned(left):
            shutil.rmtree(left, ignore_errors=True)


def disk_state(path: Path) -> str:
    """Describe the disk of a file or folder: "the disk at /data has 0 of 100 MB free"."""
    place = path.absolute()
    while not os.path.exists(place):  # Path.exists raises for a name that is too long
        place = place.parent
    usage = shutil.disk_usage(place)
    while not os.path.ismount(place):
        place = place.parent
    return f"the disk at {place} has {usage.free / 1e6:,.0f} of {usage.total / 1e6:,.0f} MB free"


def flush(folder: Path) -> None:
    """Wait until a folder is on the disk, or a crash of the machine could leave it torn."""
    for entry in (*folder.rglob("*"), folder):
        _flush_entry(entry)


def _flush_entry(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _place(aside: Path, target: Path, keep: Callable[[Path], bool]) -> None:
    if target.exists():
        shutil.copymode(target, aside)
    if not target.exists() or not any(target.iterdir()):
        os.replace(aside, target)
        return
    earlier = _sibling(target, _EARLIER)
    os.replace(target, earlier)
    try:
        os.replace(aside, target)
    except OSError:
        os.replace(earlier, target)
        raise
    _merge(earlier, target, keep)


def _merge(earlier: Path, target: Path, keep: Callable[[Path], bool]) -> None:
    """Move what stays of an earlier folder to the new one, and delete the rest."""
    for entry in earlier.iterdir():
        if keep(entry) and not (target / entry.name).exists():
            os.replace(entry, target / entry.name)
    shutil.rmtree(earlier, ignore_errors=True)


def _left_next_to(target: Path, purpose: str) -> list[Path]:
    return list(target.parent.glob(f".{glob.escape(target.name)}.{purpose}-*"))


def _sibling(target: Path, purpose: str) -> Path:
    return target.with_name(f".{target.name}.{purpose}-{uuid.uuid4().hex[:8]}")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder; the lock ends with this process, however it ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _try_lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _is_abandoned(folder: Path) -> bool:
    """Return whether nobody writes to a folder any more."""
    try:
        if time.time() - folder.stat().st_mtime < _UNLOCKED_S:
            return False
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # it has just been deleted, or belongs to somebody else
        return False
    try:
        return _try_lock(descriptor)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked by another process, or a file system without locks
        return False
    return True

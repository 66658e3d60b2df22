"""A real disk of a few megabytes, mounted by root, and ways to damage a file."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, *, megabytes: float) -> Iterator[Path]:
    """Mount a tmpfs on a new folder; skip the test if this is not allowed here."""
    folder.mkdir(parents=True)
    options = ["-o", f"size={int(megabytes * 1024)}k"]
    command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, *, leave_kb: int = 0) -> Path:
    """Write a file that leaves so much of the folder's disk; delete it to free the disk."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            pass
        stream.truncate(max(0, stream.tell() - leave_kb * 1024))
    return ballast


def _cut_in_half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _empty(file: Path) -> None:
    file.write_bytes(b"")


DAMAGES: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
    "empty": _empty,
    "half": _cut_in_half,
    "changed": _flip_a_bit,
}

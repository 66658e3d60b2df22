"""The way of a new user, timed: clone, install, train, look, evaluate.

    python benchmarks/new_user.py --figures

Everything happens in a temporary folder with an empty home. How long the installation takes depends
on the package index.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from figures import ROOT, Figure, write_figures

ISSUE = 17


def main() -> None:
    """Walk the way and print the seconds of each part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figures", action="store_true", help="write docs/results/figures.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds = dict(walk(Path(folder)))
    seconds["total"] = sum(seconds.values())
    for name, value in seconds.items():
        print(f"{name:<10} {value:6.0f} s")
    if arguments.figures:
        write_figures(
            [Figure(ISSUE, f"new_user/{name}_s", value) for name, value in seconds.items()]
        )


def walk(folder: Path) -> Iterator[tuple[str, float]]:
    """Yield (part, seconds); the commands are those that the README shows, and that runs print."""
    clone = folder / "rllib-gigpo"
    yield "clone", timed(["git", "clone", "--quiet", str(ROOT), str(clone)], folder, folder)
    yield "install", timed(["make", "setup"], clone, folder)
    yield "train", timed(["make", "train"], clone, folder)
    run = str(next(clone.glob("results/train/*/*/result.json")).parent)
    rllib = str(clone / ".venv" / "bin" / "rllib")
    yield "view", timed([rllib, "view", run, "--export", str(folder / "pages")], clone, folder)
    yield "evaluate", timed([rllib, "evaluate", run], clone, folder)


def timed(command: list[str], place: Path, home: Path) -> float:
    """Run a command, show what it prints, and return its seconds."""
    start = time.monotonic()
    environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    subprocess.run(command, cwd=place, env=environment, check=True)
    return time.monotonic() - start


if __name__ == "__main__":
    main()

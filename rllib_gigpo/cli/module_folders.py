"""Folders of the user's own modules: found here, and by the workers of a Ray session.

A console script has neither the current folder nor an experiment's on its path, where `guess.py` of
``config.environment("guess:Guess-v0")`` lies.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def modules_from(folder: Path) -> Iterator[None]:
    """Let modules be imported from a folder.

    It is searched last: a file `textworld.py` in it does not hide the package of that name.
    """
    name = str(folder.resolve())
    if name in sys.path:
        yield
        return
    sys.path.append(name)
    try:
        yield
    finally:
        sys.path.remove(name)


def worker_hook(folder: Path) -> Callable[[], None]:
    """Make the function that does the same in a Ray worker, when its process starts.

    Ray sends an inner function by value, so that it needs nothing importable there.
    """
    name = str(folder.resolve())

    def search_folder() -> None:
        import sys

        sys.path.append(name)

    return search_folder

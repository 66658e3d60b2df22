"""Import paths for the user's own modules, in this process and in Ray's workers.

A console script has neither the current folder nor the experiment's folder on its path. Yet the
`guess.py` of ``config.environment("guess:Guess-v0")`` is in one of them.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def modules_from(folder: Path) -> Iterator[None]:
    """Make the modules of a folder importable inside the block.

    The folder is searched last: a `textworld.py` in it does not hide the package of that name.
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
    """Return a function that makes a folder importable in a Ray worker when its process starts.

    Ray sends an inner function by value, so the worker needs to import nothing to run it.
    """
    name = str(folder.resolve())

    def search_folder() -> None:
        import sys

        sys.path.append(name)

    return search_folder

"""The planner's libraries in this process, each lent to one user at a time.

Each is a copy of Fast Downward (6 MB) that holds the state of one game in C++ globals. After one is
unloaded, loading the next crashes the process (fast_downward_textworld 20.6.4), so they are never
unloaded but reused.
"""

from __future__ import annotations

import threading
from typing import Any

_lock = threading.Lock()
_idle: list[Any] = []


def borrow_library() -> Any:
    """Return a free library; hand it back with ``return_library``."""
    import fast_downward

    with _lock:
        return _idle.pop() if _idle else fast_downward.load_lib()


def return_library(library: Any) -> None:
    """Take back a library whose game is over."""
    with _lock:
        _idle.append(library)

"""The planner's libraries of this process, handed out to one user at a time.

Each is a copy of Fast Downward (6 MB) that holds the state of one game in C++ globals. One that was
unloaded makes the process crash when the next is loaded (fast_downward_textworld 20.6.4), so that
they are never unloaded but used again.
"""

from __future__ import annotations

import threading
from typing import Any

_lock = threading.Lock()
_idle: list[Any] = []


def borrow_library() -> Any:
    """Return a library that nobody else uses; give it back with ``return_library``."""
    import fast_downward

    with _lock:
        return _idle.pop() if _idle else fast_downward.load_lib()


def return_library(library: Any) -> None:
    """Take back a library; its game is over."""
    with _lock:
        _idle.append(library)

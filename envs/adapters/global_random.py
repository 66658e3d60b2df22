"""Private randomness for a backend that draws from Python's and NumPy's global generators."""

from __future__ import annotations

import random
import threading
from typing import Any

import numpy as np

_LOCK = threading.RLock()


class OwnRandomState:
    """A private state for the global generators, active within a ``with`` block.

    Each environment holds one, so that it and the rest of the process do not influence each other's
    random numbers. Blocks in different threads take turns.
    """

    def __init__(self, seed: int) -> None:
        """Begin with the state of ``seed``."""
        self._state: tuple[Any, Any] = (
            random.Random(seed).getstate(),
            np.random.RandomState(seed).get_state(),
        )

    def __enter__(self) -> OwnRandomState:
        """Activate the private state."""
        _LOCK.acquire()
        self._others: tuple[Any, Any] = (random.getstate(), np.random.get_state())
        _set_state(self._state)
        return self

    def __exit__(self, *_: object) -> None:
        """Save the private state and restore that of the process."""
        self._state = (random.getstate(), np.random.get_state())
        _set_state(self._others)
        _LOCK.release()


def _set_state(state: tuple[Any, Any]) -> None:
    random.setstate(state[0])
    np.random.set_state(state[1])

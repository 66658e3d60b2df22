"""Randomness of one's own for a backend that draws from Python's and NumPy's global generators."""

from __future__ import annotations

import random
import threading
from typing import Any

import numpy as np

_LOCK = threading.RLock()


class OwnRandomState:
    """Puts its own state into the global generators for the length of a ``with`` block.

    Each environment holds one, so that neither its neighbours nor the rest of the process decide
    about its course, nor it about theirs. Blocks of all threads take turns.
    """

    def __init__(self, seed: int) -> None:
        """Begin with what ``seed`` gives."""
        self._state: tuple[Any, Any] = (
            random.Random(seed).getstate(),
            np.random.RandomState(seed).get_state(),
        )

    def __enter__(self) -> OwnRandomState:
        """Put the own state in place."""
        _LOCK.acquire()
        self._others: tuple[Any, Any] = (random.getstate(), np.random.get_state())
        _set_state(self._state)
        return self

    def __exit__(self, *_: object) -> None:
        """Keep the own state, and give the others theirs back."""
        self._state = (random.getstate(), np.random.get_state())
        _set_state(self._others)
        _LOCK.release()


def _set_state(state: tuple[Any, Any]) -> None:
    random.setstate(state[0])
    np.random.set_state(state[1])

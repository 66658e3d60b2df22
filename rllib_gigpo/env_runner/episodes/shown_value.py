"""Values as text: to compare what environments return, and to show it in messages."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np


def as_text(observation: Any) -> str:
    """Return a text that differs between different observations."""
    if isinstance(observation, np.ndarray):  # as text, NumPy leaves out the middle of an array
        digest = hashlib.blake2b(observation.tobytes(), digest_size=8).hexdigest()
        return f"array {observation.shape} {digest}"
    if isinstance(observation, dict):
        return str({name: as_text(part) for name, part in observation.items()})
    try:
        return str(observation)
    except Exception:  # its class may do anything
        return type(observation).__name__


def short(text: str, length: int = 160) -> str:
    """Return a text, cut to ``length`` characters."""
    return text if len(text) <= length else text[: length - 3] + "..."

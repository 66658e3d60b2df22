"""How ``info`` travels in JSON: what the agent may see in the observation, the rest as metadata."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...contract import ADMISSIBLE_ACTIONS, ANCHOR, DATA_FILES, INFO_TYPES, TASK

SEEN = (TASK, ADMISSIBLE_ACTIONS)
"""The keys that go into the observation, because prompts show them."""


def split_info(info: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parts of a checked ``info`` for observation and metadata.

    Only keys of the contract travel, and not ``data_files``, which are paths on this machine.
    """
    kept = {key: info[key] for key in INFO_TYPES if key in info and key != DATA_FILES}
    if ANCHOR in kept:
        kept[ANCHOR] = anchor_text(kept[ANCHOR])
    seen = {key: kept.pop(key) for key in SEEN if key in kept}
    return seen, kept


def anchor_text(anchor: Any) -> str:
    """Return text that equals another anchor's text if and only if the anchors are equal.

    Text stays as it is, so that similar texts can still be compared. Anything else becomes a hash
    of 128 bits over its values.
    """
    if isinstance(anchor, str):
        return anchor
    return f"#{hashlib.blake2b(_canonical(anchor).encode(), digest_size=16).hexdigest()}"


def _canonical(value: Any) -> str:
    """Write a value so that equal values read the same: 1, 1.0 and True are equal, sets unordered.

    Raises:
        TypeError: Its class has no values that can be written, only an identity or code.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, tuple):
        return f"({','.join(map(_canonical, value))})"
    if isinstance(value, frozenset):
        return f"{{{','.join(sorted(map(_canonical, value)))}}}"
    if isinstance(value, bool | int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    if isinstance(value, str | bytes | float | complex | type(None)):
        return repr(value)
    if type(value).__repr__ is object.__repr__:
        raise TypeError(
            f"info['anchor'] has a {type(value).__name__}, which cannot be written as text. Use "
            "text, a number or a tuple of these."
        )
    return f"{type(value).__name__}:{value!r}"

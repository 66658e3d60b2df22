"""Checks of environment options; each error names the option, the value and the fix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Raise a ValueError unless ``value`` is one of ``choices``."""
    if value not in choices:
        known = ", ".join(map(repr, choices))
        raise ValueError(f"{name} must be one of {known}; got {value!r}. Fix it in env_config.")


def check_whole(name: str, value: Any, *, low: int, high: int | None = None) -> None:
    """Raise a ValueError unless ``value`` is a whole number from ``low`` to ``high``."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or value < low or (high is not None and value > high):
        bounds = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(
            f"{name} must be a whole number {bounds}; got {value!r}. Fix it in env_config."
        )


def check_number(name: str, value: Any, *, low: float, high: float) -> None:
    """Raise a ValueError unless ``value`` is a number from ``low`` to ``high``."""
    if not _is_number(value) or not low <= value <= high:
        raise ValueError(
            f"{name} must be a number from {low} to {high}; got {value!r}. Fix it in env_config."
        )


def check_positive(name: str, value: Any) -> None:
    """Raise a ValueError unless ``value`` is a finite number above 0."""
    if not _is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a number above 0; got {value!r}. Fix it in env_config.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_flag(name: str, value: Any) -> None:
    """Raise a ValueError unless ``value`` is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False; got {value!r}. Fix it in env_config.")

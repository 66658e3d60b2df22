"""Functions of the user's own, named in the config by import path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any


def imported(
    named: str | Callable[..., Any], *, setting: str, known: Sequence[str]
) -> Callable[..., Any]:
    """Find a function.

    Args:
        named: The function itself, or ``"package.module:name"``.
        setting: Name of the setting, for messages.
        known: What else the setting may be, for messages.

    Returns:
        The function.

    Raises:
        ValueError: There is none.
    """
    if callable(named):
        return named
    module_name, _, name = str(named).partition(":")
    if not name:
        raise ValueError(
            f"{setting}={named!r} is unknown; choose one of {tuple(known)}, or a function by its"
            ' import path, "package.module:name".'
        )
    try:
        found = getattr(import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{setting}={named!r} cannot be imported: {error}") from error
    if not callable(found):
        raise ValueError(f"{setting}={named!r} is a {type(found).__name__}, not a function.")
    return found

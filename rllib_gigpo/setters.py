"""The fluent setters of a config: an unknown keyword is an error that names the nearest known."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

from rllib_gigpo.errors import UnknownOptionError

_P = ParamSpec("_P")
_R = TypeVar("_R")


def setter(host: type) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Make a method refuse keywords that neither it nor the host's method of its name has.

    Args:
        host: The base class that gets what the method does not know itself.

    Returns:
        A decorator for methods with keywords only.
    """

    def decorate(method: Callable[_P, _R]) -> Callable[_P, _R]:
        known = _keywords(method) | _keywords(getattr(host, method.__name__, None))

        @functools.wraps(method)
        def checked(*args: _P.args, **options: _P.kwargs) -> _R:
            unknown = [name for name in options if name not in known]
            if unknown:
                raise UnknownOptionError(_message(method.__qualname__, unknown, known))
            return method(*args, **options)

        return checked

    return decorate


def did_you_mean(name: str, known: Iterable[str], *, most: int = 3) -> str:
    """A clause with the known names nearest to an unknown one; empty if none is near."""
    close = difflib.get_close_matches(name, known, n=most)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


def _message(method: str, unknown: list[str], known: frozenset[str]) -> str:
    lines = [f"{method}() has no option {name!r}{did_you_mean(name, known)}" for name in unknown]
    return "\n".join([*lines, f"help({method}) lists all options with their meaning."])


def _keywords(method: Callable[..., Any] | None) -> frozenset[str]:
    if method is None:
        return frozenset()
    parameters = inspect.signature(method).parameters.values()
    return frozenset(one.name for one in parameters if one.kind == one.KEYWORD_ONLY)

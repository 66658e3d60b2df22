"""Fluent setters, which only store values so that Tune can pass search spaces through them."""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable
from typing import Any, TypeVar

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

from rllib_gigpo.errors import UnknownOptionError
from rllib_gigpo.options.registry import did_you_mean
from rllib_gigpo.options.section import Section

F = TypeVar("F", bound=Callable[..., Any])


def setter(*sections: type[Section]) -> Callable[[F], F]:
    """Make a method store the settings of some sections and pass on RLlib's own options.

    The method's docstring gets an entry for each field. The error for an unknown keyword suggests
    similar known ones.
    """

    def decorate(method: F) -> F:
        host = getattr(AlgorithmConfig, method.__name__, None)
        fields = {name: field for one in sections for name, field in one.model_fields.items()}
        known = fields.keys() | (inspect.signature(host).parameters.keys() if host else set())

        @functools.wraps(method)
        def store(self: Any, **options: Any) -> Any:
            unknown = [name for name in options if name not in known]
            if unknown:
                called = f"{type(self).__name__}.{method.__name__}"
                nearest = (f"{name!r}{did_you_mean(name, known)}" for name in unknown)
                raise UnknownOptionError(
                    "\n".join(f"{called}() has no option {one}" for one in nearest)
                    + f"\nhelp({called}) lists and explains all options."
                )
            if host is not None:
                host(self, **{name: options[name] for name in options if name not in fields})
            return self._store({name: options[name] for name in options if name in fields})

        wrap = textwrap.TextWrapper(96, "    ", "        ").fill
        about = fields.items()
        entries = [wrap(f"{n} (default {f.get_default()!r}): {f.description}") for n, f in about]
        store.__doc__ = "\n".join([inspect.cleandoc(method.__doc__ or ""), "", "Args:", *entries])
        return store  # type: ignore[return-value]

    return decorate

"""The text environments of rllib-gigpo, registered with Gymnasium when this package is imported.

``gymnasium.make("rllib_gigpo.envs:TextWorld-v0", ...)`` imports this file, which registers the ids
of ``catalogue.py``, and then the module of the one environment asked for: neither its backend nor
Ray, torch or vLLM is loaded before.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import gymnasium

from .catalogue import CATALOGUE

if TYPE_CHECKING:
    from .conformance.check import check_env
    from .conformance.env_report import EnvReport

__all__ = ["CATALOGUE", "EnvReport", "check_env"]

_EXPORTS = {"check_env": ".conformance.check", "EnvReport": ".conformance.env_report"}

for _entry in CATALOGUE:
    if _entry.name not in gymnasium.registry:
        # Gymnasium's passive checker compares strings with the charset of spaces.Text, which no
        # text environment keeps; check_env checks what matters instead.
        gymnasium.register(
            _entry.name, entry_point=__name__ + _entry.entry_point, disable_env_checker=True
        )


def __getattr__(name: str) -> Any:
    """Load an exported name at its first use (PEP 562)."""
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_EXPORTS[name], __name__), name)
    globals()[name] = value  # from here on, no submodule of the same name stands in its way
    return value

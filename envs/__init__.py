"""The text environments of rllib-gigpo, registered with Gymnasium when this package is imported.

``gymnasium.make("rllib_gigpo.envs:TextWorld-v0", ...)`` imports this file, which registers the ids
in ``catalogue.py``, and then the module of the requested environment. Importing this file alone
loads no backend, and neither Ray, torch nor vLLM.
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
        # Gymnasium's passive checker holds strings to the charset of spaces.Text, which the text of
        # these environments goes beyond; check_env checks what matters instead.
        gymnasium.register(
            _entry.name, entry_point=__name__ + _entry.entry_point, disable_env_checker=True
        )


def __getattr__(name: str) -> Any:
    """Load an exported name on first use (PEP 562)."""
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_EXPORTS[name], __name__), name)
    globals()[name] = value  # found at once from here on
    return value

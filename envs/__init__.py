"""Text environments that ship with rllib-gigpo, registered with Gymnasium by importing this package.

``gymnasium.make("rllib_gigpo.envs:TextWorld-v0", ...)`` imports this file, which registers the ids
below, and only then the module of the one environment asked for: neither its backend (TextWorld,
...) nor Ray, torch or vLLM is loaded before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium

if TYPE_CHECKING:
    from .check_env import EnvReport, check_env

__all__ = ["EnvReport", "check_env"]

_ENTRY_POINTS = {
    "Corridor-v0": ".corridor:CorridorEnv",
    "TextWorld-v0": ".textworld:TextWorldEnv",
}

for _id, _entry_point in _ENTRY_POINTS.items():
    if _id not in gymnasium.registry:
        # Gymnasium's passive checker validates strings against the charset of spaces.Text, which
        # no text environment keeps; rllib_gigpo.envs.check_env checks what matters instead.
        gymnasium.register(_id, entry_point=__name__ + _entry_point, disable_env_checker=True)


def __getattr__(name: str) -> Any:
    """Load ``check_env`` at its first use: importing the package stays instant."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(".check_env", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

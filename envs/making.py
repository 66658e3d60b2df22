"""Makes an environment from its id, as every part of this package does."""

from __future__ import annotations

import importlib
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec


def make(env_id: str, **env_config: Any) -> gymnasium.Env:
    """Make an environment.

    Gymnasium's checker stays off: it refuses most characters of real text in a Text space.

    Args:
        env_id: Gymnasium id, such as ``"rllib_gigpo.envs:TextWorld-v0"``.
        **env_config: Keywords of the environment.
    """
    return gymnasium.make(_spec(env_id) or env_id, disable_env_checker=True, **env_config)


def _spec(env_id: str) -> EnvSpec | None:
    """What is registered as ``env_id``; None where Gymnasium has to find it, or to complain.

    Made from its spec, an environment is not said to be out of date because Gymnasium has a
    FrozenLake-v1 or a Blackjack-v1 itself.
    """
    module, _, name = env_id.rpartition(":")
    if module:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError:
            return None
    return gymnasium.registry.get(name)

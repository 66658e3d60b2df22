"""The function that makes an environment from its id, for every part of this package."""

from __future__ import annotations

import importlib
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec


def make(env_id: str, **env_config: Any) -> gymnasium.Env:
    """Make an environment.

    Gymnasium's checker is off, because its Text space rejects most characters of real text.

    Args:
        env_id: Gymnasium id, such as ``"rllib_gigpo.envs:TextWorld-v0"``.
        **env_config: Keyword arguments of the environment.
    """
    return gymnasium.make(_spec(env_id) or env_id, disable_env_checker=True, **env_config)


def _spec(env_id: str) -> EnvSpec | None:
    """Return the spec registered as ``env_id``, or None to let Gymnasium find it or raise.

    Making an environment from its spec avoids Gymnasium's warning that it is out of date: Gymnasium
    has a FrozenLake-v1 and a Blackjack-v1.
    """
    module, _, name = env_id.rpartition(":")
    if module:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError:
            return None
    return gymnasium.registry.get(name)

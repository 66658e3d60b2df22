"""The function that makes an environment from its id, for every part of this package."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, load_env_creator

# What `gymnasium.make` itself takes.
_OF_MAKE = ("max_episode_steps", "render_mode")


def make(env_id: str, **env_config: Any) -> gymnasium.Env:
    """Make an environment.

    Gymnasium's checker is off, because its Text space rejects most characters of real text.

    Args:
        env_id: Gymnasium id, such as ``"rllib_gigpo.envs:TextWorld-v0"``.
        **env_config: Keyword arguments of the environment.

    Raises:
        TypeError: The environment has no such option.
        gymnasium.error.UnregisteredEnv: There is no such id.
    """
    spec = _spec(env_id)
    if spec is not None:
        _check_options(spec, env_config)
    try:
        return gymnasium.make(spec or env_id, disable_env_checker=True, **env_config)
    except gymnasium.error.UnregisteredEnv as error:
        if ":" in env_id:
            raise
        hint = f"If a module of yours registers it, write 'my_module:{env_id}'."
        raise type(error)(f"{error} {hint}") from None


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


def _check_options(spec: EnvSpec, env_config: Mapping[str, Any]) -> None:
    """Refuse options that the environment's class does not take, by name."""
    entry: Any = spec.entry_point
    try:
        creator = load_env_creator(entry) if isinstance(entry, str) else entry
        parameters = inspect.signature(creator).parameters.values()
    except (ImportError, AttributeError, TypeError, ValueError):
        return  # Gymnasium says what is wrong
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters):
        return
    names = [one.name for one in parameters]
    for name in env_config:
        if name not in names and name not in _OF_MAKE:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise TypeError(
                f"{spec.id} has no option {name!r}{hint}; its options are {', '.join(names)}"
            )

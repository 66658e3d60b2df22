"""How to make an environment, as a record that can be sent to any process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym

from rllib_gigpo.envs.making import make
from rllib_gigpo.errors import EnvContractError


@dataclass(frozen=True, slots=True)
class EnvSource:
    """The source of environments: a Gymnasium id, a name registered with Tune, or a callable."""

    env: str | Callable[..., gym.Env]
    env_config: Mapping[str, Any]
    of_evaluation: EnvSource | None = None  # evaluation's environments, if they differ

    @classmethod
    def from_configs(cls, training: Any, evaluation: Any) -> EnvSource:
        """Read the environments of both configs; evaluation's is a copy of training's."""
        source, other = (
            cls(config.env, dict(config.env_config or {})) for config in (training, evaluation)
        )
        is_same = {"env", "env_config"}.isdisjoint(training.evaluation_config or {})
        return source if is_same else replace(source, of_evaluation=other)

    @property
    def name(self) -> str:
        """The environment, for messages."""
        return (
            self.env if isinstance(self.env, str) else getattr(self.env, "__name__", "(callable)")
        )

    def make(self) -> gym.Env:
        """Make an environment.

        Raises:
            EnvContractError: The environment cannot be made; the message says why.
        """
        try:
            return self._make()
        except Exception as error:  # a user's constructor may raise anything
            raise EnvContractError(
                f"The environment {self.env!r} cannot be made with"
                f" env_config={dict(self.env_config)!r}: {type(error).__name__}: {error}."
                " Try it in a Python shell, or run rllib_gigpo.envs.check_env on it."
            ) from error

    def _make(self) -> gym.Env:
        if not isinstance(self.env, str):
            return self.env(dict(self.env_config))
        creator = _registered_creator(self.env)
        if creator is not None:
            return creator(dict(self.env_config))
        # Gymnasium's passive checker compares strings with Text spaces, whose default character
        # set has no space or punctuation.
        return make(self.env, **self.env_config)


def _registered_creator(name: str) -> Callable[[dict[str, Any]], gym.Env] | None:
    """Return the creator that `ray.tune.register_env` stored under ``name``, if any."""
    from ray.tune.registry import ENV_CREATOR, _global_registry

    if _global_registry.contains(ENV_CREATOR, name):
        return _global_registry.get(ENV_CREATOR, name)
    return None

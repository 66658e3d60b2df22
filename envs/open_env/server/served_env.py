"""What a server offers: how its environments are made, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium

from ...contract import RUNS_IN_THREADS
from ...making import make
from ...response_fence import read_reset


@dataclass(frozen=True, slots=True)
class ServedEnv:
    """The recipe of an environment, tried once.

    Attributes:
        env_id: Its Gymnasium id.
        env_config: Its keyword arguments.
        description: The first line of its docstring.
        may_thread: Whether its instances may play in several threads at once.
    """

    env_id: str
    env_config: Mapping[str, Any]
    description: str
    may_thread: bool

    @classmethod
    def try_out(cls, env_id: str, env_config: Mapping[str, Any]) -> ServedEnv:
        """Make the environment once and begin an episode.

        Raises:
            ValueError: Observations or actions are not text.
            Exception: Whatever the environment itself raises.
        """
        env = make(env_id, **env_config)
        try:
            if not isinstance(env.action_space, gymnasium.spaces.Text):
                raise ValueError(
                    f"The actions of {env_id} are {env.action_space}, not text. Wrap it in an "
                    "environment that reads text and whose action_space is a gymnasium.spaces.Text."
                )
            observation, _ = read_reset(env.reset(seed=0))
            if not isinstance(observation, str):
                raise ValueError(
                    f"The observations of {env_id} are {type(observation).__name__}, not text. Use "
                    "an option that shows text, or wrap it."
                )
            lines = (type(env.unwrapped).__doc__ or env_id).strip().splitlines()
            may_thread = bool((env.metadata or {}).get(RUNS_IN_THREADS))
        finally:
            env.close()
        return cls(env_id, dict(env_config), lines[0], may_thread)

    def make(self) -> gymnasium.Env:
        """Make an instance."""
        return make(self.env_id, **self.env_config)

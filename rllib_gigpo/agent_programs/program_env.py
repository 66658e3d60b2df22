"""The place of an agent's own program where RLlib expects an environment."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from rllib_gigpo.agent_programs.program_settings import ProgramSettings
from rllib_gigpo.envs.contract import text_space
from rllib_gigpo.errors import EnvContractError

_MAX_LENGTH = 100_000


class AgentProgramEnv(gym.Env):
    """What ``config.environment`` names when a program plays; see `ProgramSettings`.

    It holds the settings. The program has the loop, so this environment can be neither reset nor
    stepped: observations are the messages that the program sends, actions are the model's answers.
    """

    def __init__(self, **env_config: Any) -> None:
        """Check the settings.

        Args:
            **env_config: The attributes of `ProgramSettings`.

        Raises:
            ConfigError: They are wrong; the message says which.
        """
        self.program_settings = ProgramSettings.from_config(env_config)
        self.observation_space = text_space(_MAX_LENGTH)
        self.action_space = text_space(_MAX_LENGTH)

    def reset(self, **kwargs: Any) -> Any:
        """Refuse: a program begins by itself.

        Raises:
            EnvContractError: Always.
        """
        raise EnvContractError(_NO_STEPS)

    def step(self, action: Any) -> Any:
        """Refuse: a program acts by itself.

        Raises:
            EnvContractError: Always.
        """
        raise EnvContractError(_NO_STEPS)


_NO_STEPS = (
    "An agent's own program has no reset() and no step() that others could call: it plays whole"
    " episodes in `rllib train` and `rllib evaluate`. Panels, demonstrations and `rllib play` need"
    " an environment."
)


def is_program(env: gym.Env | None) -> bool:
    """Return whether an environment stands for an agent's program."""
    return env is not None and program_settings_of(env) is not None


def program_settings_of(env: gym.Env) -> ProgramSettings | None:
    """Return the settings of an agent's program; None for an environment."""
    return getattr(env.unwrapped, "program_settings", None)

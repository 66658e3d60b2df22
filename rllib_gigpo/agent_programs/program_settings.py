"""The settings of an agent's own program: what is started, and who rewards it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rllib_gigpo.agent_programs.started_program import check_program
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.options.records import require
from rllib_gigpo.options.registry import did_you_mean, import_object

_TYPES: Mapping[str, Any] = {
    "timeout_s": int | float,
    "max_request_bytes": int,
    "host": str,
}


@dataclass(frozen=True, slots=True)
class ProgramSettings:
    """The ``env_config`` of an agent's own program.

    Attributes:
        program: A function, or a command as a list of words. A function runs in a thread and gets
            those of the arguments ``base_url``, ``api_key``, ``seed`` and ``is_training`` that it
            names. A command runs in a process; these names in braces are filled into its words, and
            its environment has ``OPENAI_BASE_URL``, ``OPENAI_API_KEY`` and ``TASK_SEED``.
        reward: A function of the `PlayedProgram`. It returns the reward of the episode, or a dict
            with ``reward`` and keys of ``info`` such as ``won``. None: the reward that was posted
            to ``/v1/reward``, or else the number that the program's function returned.
        anchor: A function of the messages of a call (dicts, the newest last). It returns the anchor
            of the call. None: the latest tool results or the latest user message.
        timeout_s: Longest time of an episode, in seconds.
        host: The address that the endpoint listens on.
        max_request_bytes: Largest body of a request.
    """

    program: Callable[..., Any] | tuple[str, ...]
    reward: Callable[..., Any] | None = None
    anchor: Callable[..., Any] | None = None
    timeout_s: float = 600.0
    host: str = "127.0.0.1"
    max_request_bytes: int = 4_000_000

    def __post_init__(self) -> None:
        """Check the types and the numbers.

        Raises:
            ValueError: A value is of a wrong type, or a number is out of bounds.
        """
        for name, types in _TYPES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, types):
                raise ValueError(
                    f"{name}={value!r} must be {'text' if types is str else 'a number'}"
                )
        require(self, timeout_s="> 0", max_request_bytes=">= 1024")

    @classmethod
    def from_config(cls, env_config: Mapping[str, Any]) -> ProgramSettings:
        """Read an ``env_config``, and import what it names.

        Args:
            env_config: The attributes of this class; a function may be given as ``"module:name"``.

        Raises:
            ConfigError: A key is unknown or missing, a name cannot be imported, or the program
                cannot be started.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in env_config:
            if name not in known:
                raise ConfigError(
                    f"env_config has an unknown key {name!r}{did_you_mean(name, known)}; the keys"
                    f" of an agent's program are {', '.join(known)}"
                )
        if "program" not in env_config:
            raise ConfigError(
                "env_config needs a program: a function, its 'module:name', or a command as a list"
            )
        functions = {
            name: _function(value, f"env_config[{name!r}]")
            for name, value in env_config.items()
            if name in ("program", "reward", "anchor")
        }
        try:
            settings = cls(**{**env_config, **functions})
        except (TypeError, ValueError) as error:
            raise ConfigError(f"env_config of an agent's program: {error}") from error
        check_program(settings.program)
        return settings


def _function(value: Any, setting: str) -> Any:
    if isinstance(value, str):
        value = import_object(value, setting=setting)
    is_command = (
        setting == "env_config['program']"
        and isinstance(value, Sequence)
        and bool(value)
        and all(isinstance(word, str) for word in value)
    )
    if value is None or callable(value):
        return value
    if is_command:
        return tuple(value)
    raise ConfigError(
        f"{setting}={value!r} is neither a function nor its 'module:name'"
        f"{' nor a command, a list of words' if 'program' in setting else ''}"
    )

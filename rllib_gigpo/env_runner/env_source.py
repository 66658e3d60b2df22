"""How to make an environment, as a record that can be sent to any process."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import gymnasium as gym

from rllib_gigpo.envs.contract import NoRoomError
from rllib_gigpo.envs.making import make
from rllib_gigpo.errors import EnvContractError, GiGPOError

_TRY_IT = "Try it in a Python shell, or run `rllib check-env` on it."
_PARTS = ("observation_space", "action_space", "reset", "step")


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
        has_panel = evaluation.settings.tasks.panel is not None
        return source if is_same and not has_panel else replace(source, of_evaluation=other)

    @property
    def name(self) -> str:
        """The environment, for messages."""
        return (
            self.env if isinstance(self.env, str) else getattr(self.env, "__name__", "(callable)")
        )

    def make(self) -> gym.Env:
        """Make an environment.

        Raises:
            EnvContractError: The environment cannot be made, or is none; the message says why.
            NoRoomError: There is no room for another one now.
        """
        try:
            env = self._make()
        except NoRoomError:
            raise
        except BaseException as error:  # a user's constructor may raise anything
            if not is_fault(error):
                raise
            # Our own errors name the cure themselves.
            text = str(error).rstrip(".")
            cure = "" if isinstance(error, GiGPOError) else f" {_TRY_IT}"
            raise EnvContractError(
                f"The environment {self.env!r} cannot be made with"
                f" env_config={dict(self.env_config)!r}: {type(error).__name__}: {text}.{cure}"
            ) from error
        missing = [name for name in _PARTS if not hasattr(env, name)]
        if missing:
            raise EnvContractError(
                f"{self.name} made a {type(env).__name__}, which has no {' and no '.join(missing)}."
                " An environment is a gymnasium.Env that sets its spaces in its constructor; run"
                " `rllib check-env` on it."
            )
        return env

    def close(self, env: gym.Env) -> None:
        """Close an environment; a broken one may also fail to close, which does no harm."""
        try:
            env.close()
        except BaseException as error:
            if not is_fault(error):
                raise

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
    """Return the creator that `ray.tune.register_env` stored under ``name``, if any.

    Without that module nothing is stored, so `rllib play` neither waits for Ray nor needs it.
    """
    if "ray.tune.registry" not in sys.modules:
        return None
    from ray.tune.registry import ENV_CREATOR, _global_registry

    if _global_registry.contains(ENV_CREATOR, name):
        return _global_registry.get(ENV_CREATOR, name)
    return None


def is_fault(error: BaseException) -> bool:
    """Return whether an exception out of an environment is the environment's own.

    Not only an `Exception` is: a game may call ``sys.exit()``, and PyO3's panics are none. But
    Ctrl-C, and what a handler of a signal raises, end the run.
    """
    return not (isinstance(error, KeyboardInterrupt) or _comes_from_a_signal(error.__traceback__))


def _comes_from_a_signal(traceback: TracebackType | None) -> bool:
    """Return whether a handler of a signal, such as SIGTERM, raised the exception."""
    handlers = {
        getattr(signal.getsignal(one), "__code__", None) for one in signal.valid_signals()
    } - {None}
    while traceback is not None:
        if traceback.tb_frame.f_code in handlers:
            return True
        traceback = traceback.tb_next
    return False

"""The factory of the instances that ``check_env`` plays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium

from ..making import make

EnvOrId = str | Callable[[dict[str, Any]], gymnasium.Env] | gymnasium.Env


@dataclass(frozen=True, slots=True)
class EnvFactory:
    """An environment as the user gives it: an id, a class or function, or an instance."""

    env_or_id: EnvOrId
    env_config: dict[str, Any]

    @property
    def name(self) -> str:
        """The name for the report."""
        if isinstance(self.env_or_id, gymnasium.Env):
            return str(self.env_or_id)
        return getattr(self.env_or_id, "__name__", str(self.env_or_id))

    def make(self) -> gymnasium.Env:
        """Make the first instance, or return the given one."""
        if isinstance(self.env_or_id, gymnasium.Env):
            return self.env_or_id
        if isinstance(self.env_or_id, str):
            return make(self.env_or_id, **self.env_config)
        return self.env_or_id(dict(self.env_config))

    def can_make_another(self, env: gymnasium.Env) -> bool:
        """Return whether a second instance can be made; a bare instance has no recipe for one."""
        return not isinstance(self.env_or_id, gymnasium.Env) or env.spec is not None

    def make_another(self, env: gymnasium.Env) -> gymnasium.Env:
        """Make an instance like ``env``, from the same id or from its spec."""
        if isinstance(self.env_or_id, gymnasium.Env) and env.spec is not None:
            return gymnasium.make(env.spec)
        return self.make()

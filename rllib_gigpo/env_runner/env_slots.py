"""The environments of one process, by slot: each response passes the fence and becomes an event."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym

from rllib_gigpo.env_runner.env_source import EnvSource, is_fault
from rllib_gigpo.envs.contract import ContractViolationError
from rllib_gigpo.envs.info_fence import described, text_of
from rllib_gigpo.envs.response_fence import check_sendable, read_reset, read_step


@dataclass(frozen=True, slots=True)
class EnvEvent:
    """An environment's answer to a reset or a step."""

    slot: int
    observation: Any = None
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    info: dict[str, Any] | None = None
    seconds: float = 0.0  # time inside the environment
    error: str | None = None  # what went wrong; the answer above is then void
    error_kind: str | None = None  # see `LostGroup`


class EnvSlots:
    """The environments of one process, made on first use; faults become events."""

    def __init__(self, source: EnvSource, *, is_sent: bool = False) -> None:
        """Start without environments.

        Args:
            source: The source of each slot's environment.
            is_sent: Whether the answers leave this process, so they must be picklable.
        """
        self._source = source
        self._is_sent = is_sent
        self._envs: dict[int, gym.Env] = {}

    def reset(self, slot: int, seed: int) -> EnvEvent:
        """Reset the slot's environment to the task ``seed``."""

        def call() -> EnvEvent:
            if slot not in self._envs:
                self._envs[slot] = self._source.make()
            observation, info = read_reset(self._envs[slot].reset(seed=seed))
            return EnvEvent(slot=slot, observation=observation, info=info)

        return self._guarded(slot, "reset", call)

    def step(self, slot: int, action: Any) -> EnvEvent:
        """Step the slot's environment."""
        if slot not in self._envs:
            return EnvEvent(slot=slot, error="its process died before", error_kind="worker")

        def call() -> EnvEvent:
            observation, reward, terminated, truncated, info = read_step(
                self._envs[slot].step(action)
            )
            return EnvEvent(
                slot=slot,
                observation=observation,
                reward=reward,
                terminated=terminated,
                truncated=truncated,
                info=info,
            )

        return self._guarded(slot, "step", call)

    @property
    def in_use(self) -> list[int]:
        """The slots that have an environment."""
        return list(self._envs)

    def close(self) -> None:
        """Close all environments."""
        for slot in self.in_use:
            self.close_slot(slot)

    def close_slot(self, slot: int) -> None:
        """Close the slot's environment; the next reset makes a new one."""
        env = self._envs.pop(slot, None)
        if env is not None:
            self._source.close(env)

    def _guarded(self, slot: int, kind: str, call: Callable[[], EnvEvent]) -> EnvEvent:
        """Time ``call``; whatever the user's environment does costs its group, not the run."""
        start = time.perf_counter()
        try:
            event = call()
            if self._is_sent:
                check_sendable(event.observation, event.info or {})
        except ContractViolationError as violation:  # the environment itself still works
            event = EnvEvent(slot=slot, error=text_of(violation), error_kind=violation.kind)
        except BaseException as error:
            if not is_fault(error):
                raise
            self.close_slot(slot)
            event = EnvEvent(slot=slot, error=described(error), error_kind=kind)
        return replace(event, seconds=time.perf_counter() - start)

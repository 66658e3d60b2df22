"""The environments of one process, by slot: each response passes the fence and becomes an event."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym

from rllib_gigpo.env_runner.env_source import EnvSource, is_fault
from rllib_gigpo.envs.contract import ContractViolationError, NoRoomError
from rllib_gigpo.envs.info_fence import described, text_of
from rllib_gigpo.envs.response_fence import check_sendable, read_reset, read_step

NO_ROOM = "no_room"  # the kind of error after which an episode may wait
OnCreated = Callable[[gym.Env, bool], None]  # gets an environment and whether it is for training


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

    def __init__(
        self,
        source: EnvSource,
        *,
        is_sent: bool = False,
        on_created: OnCreated | None = None,
    ) -> None:
        """Start without environments.

        Args:
            source: The source of each slot's environment.
            is_sent: Whether the answers leave this process, so they must be picklable.
            on_created: Gets each new environment, and whether it is for training. Its errors are
                raised and cost no group.
        """
        self._source = source
        self._is_sent = is_sent
        self._on_created = on_created
        self._envs: dict[tuple[int, bool], gym.Env] = {}  # by slot and whether it is evaluation's
        self._playing: dict[int, gym.Env] = {}  # of each slot's current episode

    def reset(self, slot: int, seed: int, *, is_training: bool = True) -> EnvEvent:
        """Reset the slot's environment of this kind to the task ``seed``."""
        source = self._source if is_training else self._source.of_evaluation or self._source
        key = (slot, source is not self._source)
        made_s = 0.0
        if key not in self._envs:
            made = self._guarded(slot, "reset", lambda: self._make(key, source))
            if made.error is not None:
                return made
            made_s = made.seconds
            if self._on_created is not None:
                self._on_created(self._envs[key], is_training)
        env = self._playing[slot] = self._envs[key]

        def call() -> EnvEvent:
            observation, info = read_reset(env.reset(seed=seed))
            return EnvEvent(slot=slot, observation=observation, info=info)

        event = self._guarded(slot, "reset", call)
        return replace(event, seconds=made_s + event.seconds)

    def step(self, slot: int, action: Any) -> EnvEvent:
        """Step the slot's environment."""
        env = self._playing.get(slot)
        if env is None:
            return EnvEvent(slot=slot, error="its process died before", error_kind="worker")

        def call() -> EnvEvent:
            observation, reward, terminated, truncated, info = read_step(env.step(action))
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
        return list({slot: None for slot, _ in self._envs})

    def env_of(self, slot: int) -> gym.Env | None:
        """Return the environment of the slot's current episode, if it has one."""
        return self._playing.get(slot)

    def close(self) -> None:
        """Close all environments."""
        for slot in self.in_use:
            self.close_slot(slot)

    def close_slot(self, slot: int) -> None:
        """Close the slot's environments; the next reset makes a new one."""
        self._playing.pop(slot, None)
        for key in ((slot, False), (slot, True)):
            env = self._envs.pop(key, None)
            if env is not None:
                self._source.close(env)

    def _make(self, key: tuple[int, bool], source: EnvSource) -> EnvEvent:
        self._envs[key] = source.make()
        return EnvEvent(slot=key[0])

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
            kind = NO_ROOM if isinstance(error, NoRoomError) else kind
            event = EnvEvent(slot=slot, error=described(error), error_kind=kind)
        return replace(event, seconds=time.perf_counter() - start)

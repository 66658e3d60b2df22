"""Where environments run: a small interface, and two implementations for this process.

A pool holds numbered slots, each with one environment. Commands return immediately, and `poll`
collects the environments' answers, so the engine never waits for a slow environment. The pool of
Ray actors is in `env_workers.py`.
"""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym

from rllib_gigpo.env_runner.env_source import EnvSource


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
    error_kind: str | None = None  # "reset", "step" or "worker"


class EnvSlots:
    """The environments of one process, made on first use; exceptions become events."""

    def __init__(self, source: EnvSource) -> None:
        """Start without environments."""
        self._source = source
        self._envs: dict[int, gym.Env] = {}

    def reset(self, slot: int, seed: int) -> EnvEvent:
        """Reset the slot's environment to the task ``seed``."""

        def call() -> EnvEvent:
            if slot not in self._envs:
                self._envs[slot] = self._source.make()
            observation, info = self._envs[slot].reset(seed=seed)
            return EnvEvent(slot=slot, observation=observation, info=info)

        return self._guarded(slot, "reset", call)

    def step(self, slot: int, action: Any) -> EnvEvent:
        """Step the slot's environment."""

        def call() -> EnvEvent:
            observation, reward, terminated, truncated, info = self._envs[slot].step(action)
            return EnvEvent(
                slot=slot,
                observation=observation,
                reward=float(reward),
                terminated=bool(terminated),
                truncated=bool(truncated),
                info=info,
            )

        return self._guarded(slot, "step", call)

    def close(self) -> None:
        """Close all environments."""
        for slot in list(self._envs):
            self._discard(slot)

    def _guarded(self, slot: int, kind: str, call: Callable[[], EnvEvent]) -> EnvEvent:
        """Time ``call``; an exception in the user's environment costs its group, not the run."""
        start = time.perf_counter()
        try:
            event = call()
        except Exception as error:
            self._discard(slot)
            return EnvEvent(
                slot=slot,
                seconds=time.perf_counter() - start,
                error=f"{type(error).__name__}: {error}",
                error_kind=kind,
            )
        return replace(event, seconds=time.perf_counter() - start)

    def _discard(self, slot: int) -> None:
        env = self._envs.pop(slot, None)
        if env is None:
            return
        with contextlib.suppress(Exception):  # a broken environment may also fail to close
            env.close()


class EnvPool(ABC):
    """Numbered environments that answer later."""

    @abstractmethod
    def reset(self, slot: int, seed: int) -> None:
        """Ask slot ``slot`` to start the task ``seed``."""

    @abstractmethod
    def step(self, slot: int, action: Any) -> None:
        """Ask slot ``slot`` to execute ``action``."""

    @abstractmethod
    def poll(self) -> list[EnvEvent]:
        """Return the answers that have arrived, without waiting."""

    @abstractmethod
    def wait(self, timeout_s: float) -> None:
        """Wait until an answer arrives, at most ``timeout_s`` seconds."""

    @abstractmethod
    def close(self) -> None:
        """Close the environments and free the pool's resources."""


class SerialEnvs(EnvPool):
    """Environments that step immediately, on the caller's thread: reproducible, best if fast."""

    def __init__(self, source: EnvSource) -> None:
        """Start without environments."""
        self._slots = EnvSlots(source)
        self._events: deque[EnvEvent] = deque()

    def reset(self, slot: int, seed: int) -> None:
        """Reset the environment now."""
        self._events.append(self._slots.reset(slot, seed))

    def step(self, slot: int, action: Any) -> None:
        """Step the environment now."""
        self._events.append(self._slots.step(slot, action))

    def poll(self) -> list[EnvEvent]:
        """Return all answers since the last call, in the order of the commands."""
        events = list(self._events)
        self._events.clear()
        return events

    def wait(self, timeout_s: float) -> None:
        """Do nothing: every answer is ready when its command returns."""

    def close(self) -> None:
        """Close all environments."""
        self._slots.close()


class ThreadedEnvs(EnvPool):
    """Environments that step in threads, each in one thread at a time."""

    def __init__(self, source: EnvSource, *, num_threads: int) -> None:
        """Start ``num_threads`` threads."""
        self._slots = EnvSlots(source)
        self._executor = ThreadPoolExecutor(num_threads, thread_name_prefix="gigpo-env")
        self._pending: set[Future[EnvEvent]] = set()

    def reset(self, slot: int, seed: int) -> None:
        """Queue the reset."""
        self._pending.add(self._executor.submit(self._slots.reset, slot, seed))

    def step(self, slot: int, action: Any) -> None:
        """Queue the step."""
        self._pending.add(self._executor.submit(self._slots.step, slot, action))

    def poll(self) -> list[EnvEvent]:
        """Return the answers that have arrived, by slot."""
        done = {future for future in self._pending if future.done()}
        self._pending -= done
        return sorted((future.result() for future in done), key=lambda event: event.slot)

    def wait(self, timeout_s: float) -> None:
        """Wait for the first answer."""
        if self._pending:
            wait(self._pending, timeout=timeout_s, return_when=FIRST_COMPLETED)

    def close(self) -> None:
        """Close all environments; a hanging step stays in its thread."""
        self._executor.shutdown(wait=not self._pending, cancel_futures=True)
        self._slots.close()

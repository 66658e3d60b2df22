"""Where environments run: a small interface, and three implementations for this process.

A pool holds numbered slots, each with one environment. Commands return immediately, and `poll`
collects the environments' answers, so the engine never waits for a slow environment. The pool of
Ray actors is in `env_workers.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import gymnasium as gym

from rllib_gigpo.env_runner.env_source import EnvSource
from rllib_gigpo.env_runner.hang_watch import HangWatch
from rllib_gigpo.env_runner.pools.daemon_threads import DaemonThreads
from rllib_gigpo.env_runner.pools.env_slots import EnvEvent, EnvSlots, OnCreated

CLOSE_TIMEOUT_S = 5.0  # longest wait for environments to close


class EnvPool(ABC):
    """Numbered environments that answer later."""

    @abstractmethod
    def reset(self, slot: int, seed: int, *, is_training: bool = True) -> None:
        """Ask slot ``slot`` to start the task ``seed``, in an environment of this kind."""

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

    def env_of(self, slot: int) -> gym.Env | None:
        """Return the environment of the slot's episode; None if it is in another process."""
        return None


class SerialEnvs(EnvPool):
    """Environments that step immediately, on the caller's thread: reproducible, best if fast.

    Nothing can interrupt one that hangs; ``watch`` says which one it is.
    """

    def __init__(
        self,
        source: EnvSource,
        *,
        is_sent: bool = False,
        on_created: OnCreated | None = None,
        watch: HangWatch | None = None,
    ) -> None:
        """Start without environments; for ``is_sent`` and ``on_created`` see `EnvSlots`."""
        self._slots = EnvSlots(source, is_sent=is_sent, on_created=on_created)
        self._watch = watch
        self._progress: dict[int, tuple[int, int]] = {}  # the seed and number of steps of a slot
        self._events: deque[EnvEvent] = deque()

    def reset(self, slot: int, seed: int, *, is_training: bool = True) -> None:
        """Reset the environment now."""
        self._progress[slot] = (seed, 0)
        with self._watched(f"reset(seed={seed})"):
            self._events.append(self._slots.reset(slot, seed, is_training=is_training))

    def step(self, slot: int, action: Any) -> None:
        """Step the environment now."""
        seed, number = self._progress[slot]
        self._progress[slot] = (seed, number + 1)
        with self._watched(f"step {number + 1} of seed {seed}, step({action!r:.80})"):
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
        with self._watched("close()"):
            self._slots.close()

    def env_of(self, slot: int) -> gym.Env | None:
        """Return the environment of the slot's episode."""
        return self._slots.env_of(slot)

    def _watched(self, call: str) -> AbstractContextManager[None]:
        return nullcontext() if self._watch is None else self._watch.during(call)


class ThreadedEnvs(EnvPool):
    """Environments that step in threads and answer in any order: for slow ones, or ones that wait.

    Each environment is in one thread at a time.

    The threads are daemons: one in which an environment hangs cannot be ended, but it does not keep
    the process from exiting.
    """

    def __init__(
        self,
        source: EnvSource,
        *,
        num_threads: int,
        is_sent: bool = False,
        on_created: OnCreated | None = None,
    ) -> None:
        """Start ``num_threads`` threads; for ``is_sent`` and ``on_created`` see `EnvSlots`."""
        self._slots = EnvSlots(source, is_sent=is_sent, on_created=on_created)
        self._num_threads = num_threads
        self._threads = DaemonThreads(num_threads, name="gigpo-env")
        self._pending: list[Future[EnvEvent]] = []  # in the order of the commands

    def reset(self, slot: int, seed: int, *, is_training: bool = True) -> None:
        """Queue the reset."""
        call = partial(self._slots.reset, slot, seed, is_training=is_training)
        self._pending.append(self._threads.submit(call))

    def step(self, slot: int, action: Any) -> None:
        """Queue the step."""
        self._pending.append(self._threads.submit(partial(self._slots.step, slot, action)))

    def poll(self) -> list[EnvEvent]:
        """Return the answers that have arrived, by slot."""
        done = [future for future in self._pending if future.done()]
        self._pending = [future for future in self._pending if future not in done]
        return sorted((future.result() for future in done), key=lambda event: event.slot)

    def wait(self, timeout_s: float) -> None:
        """Wait for the first answer."""
        if self._pending:
            wait(self._pending, timeout=timeout_s, return_when=FIRST_COMPLETED)

    def close(self) -> None:
        """Close all environments within `CLOSE_TIMEOUT_S`; what hangs stays in its thread."""
        for future in self._pending:
            future.cancel()
        self._threads.stop()
        closers = DaemonThreads(self._num_threads, name="gigpo-env-close")
        wait(
            [closers.submit(partial(self._slots.close_slot, slot)) for slot in self._slots.in_use],
            timeout=CLOSE_TIMEOUT_S,
        )
        closers.stop()

    def env_of(self, slot: int) -> gym.Env | None:
        """Return the environment of the slot's episode; no thread uses it when it has answered."""
        return self._slots.env_of(slot)


class OverlappingEnvs(ThreadedEnvs):
    """Environments that step in threads while the engine generates: reproducible, best in C code.

    Each `poll` takes the older half of the commands and waits for their answers; the other half
    runs during the engine's next step. Which answers it returns, and their order, therefore depend
    on the commands alone and not on how long they took, and so does the engine's batch.
    """

    def __init__(
        self,
        source: EnvSource,
        *,
        num_threads: int,
        patience_s: float,
        is_sent: bool = False,
        on_created: OnCreated | None = None,
    ) -> None:
        """Start the threads; see `ThreadedEnvs`.

        Args:
            source: The source of each slot's environment.
            num_threads: Number of threads.
            patience_s: How long the others wait for an answer. One that comes later, if at all, is
                taken when it comes.
            is_sent: See `EnvSlots`.
            on_created: See `EnvSlots`.
        """
        super().__init__(source, num_threads=num_threads, is_sent=is_sent, on_created=on_created)
        self._patience_s = patience_s
        self._late: list[Future[EnvEvent]] = []

    def poll(self) -> list[EnvEvent]:
        """Return the answers to the older half of the commands, in their order."""
        num_due = (len(self._pending) + 1) // 2
        due, self._pending = self._pending[:num_due], self._pending[num_due:]
        self._wait_for(due)
        asked = [*self._late, *due]
        self._late = [future for future in asked if not future.done()]
        return [future.result() for future in asked if future not in self._late]

    def _wait_for(self, due: list[Future[EnvEvent]]) -> None:
        """Wait for answers; a thread whose call hangs gets a substitute, for those behind it."""
        wait(due, timeout=self._patience_s)
        hanging = [future for future in due if future.running()]
        if hanging:
            self._threads.add(len(hanging))
            wait([future for future in due if future not in hanging], timeout=self._patience_s)

    def close(self) -> None:
        """Close all environments; see the base class."""
        for future in self._late:
            future.cancel()
        super().close()

    def wait(self, timeout_s: float) -> None:
        """Wait for a late answer; `poll` itself waits for the others."""
        if self._late and not self._pending:
            wait(self._late, timeout=timeout_s, return_when=FIRST_COMPLETED)

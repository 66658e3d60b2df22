"""Environments in Ray actors: many per actor, each of which answers when it is ready."""

from __future__ import annotations

from typing import Any

import ray
from ray.exceptions import (
    NodeDiedError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    WorkerCrashedError,
)

from rllib_gigpo.env_runner.env_source import EnvSource
from rllib_gigpo.env_runner.pools.env_pool import CLOSE_TIMEOUT_S, EnvPool
from rllib_gigpo.env_runner.pools.env_slots import EnvEvent, EnvSlots

_DEATHS = (RayActorError, WorkerCrashedError, NodeDiedError, OutOfMemoryError)


class EnvWorker:
    """The actor of some slots, with one call at a time or several threads."""

    def __init__(self, source: EnvSource) -> None:
        """Start without environments."""
        self._slots = EnvSlots(source, is_sent=True)

    def reset(self, slot: int, seed: int, is_training: bool) -> EnvEvent:
        """Reset the slot's environment of this kind."""
        return self._slots.reset(slot, seed, is_training=is_training)

    def step(self, slot: int, action: Any) -> EnvEvent:
        """Step the slot's environment."""
        return self._slots.step(slot, action)

    def close(self) -> None:
        """Close all environments."""
        self._slots.close()


class RayEnvs(EnvPool):
    """Slots spread over Ray actors in turn.

    A dead actor is replaced, and each of its pending slots answers with an error of kind "worker".
    Its other slots fail at their next step, because their environments are gone. An answer that
    cannot be sent costs neither.
    """

    def __init__(
        self, source: EnvSource, *, num_workers: int, num_threads: int, num_cpus: float
    ) -> None:
        """Start the actors.

        Args:
            source: The source of each slot's environment.
            num_workers: Number of actors.
            num_threads: Number of environments that an actor steps at a time; 0 for one.
            num_cpus: CPUs that each actor requests from Ray; fractions are allowed.
        """
        self._source = source
        self._options = {
            "num_cpus": num_cpus,
            "max_concurrency": max(1, num_threads),
            "max_restarts": 0,
        }
        self._workers = [self._start_worker() for _ in range(num_workers)]
        self._pending: dict[ray.ObjectRef, tuple[int, Any]] = {}  # the slot and its actor

    def reset(self, slot: int, seed: int, *, is_training: bool = True) -> None:
        """Send the reset to the slot's actor."""
        worker = self._worker_of(slot)
        self._pending[worker.reset.remote(slot, seed, is_training)] = (slot, worker)

    def step(self, slot: int, action: Any) -> None:
        """Send the step to the slot's actor."""
        worker = self._worker_of(slot)
        self._pending[worker.step.remote(slot, action)] = (slot, worker)

    def poll(self) -> list[EnvEvent]:
        """Return the answers that have arrived."""
        if not self._pending:
            return []
        ready, _ = ray.wait(list(self._pending), num_returns=len(self._pending), timeout=0)
        return [self._take(ref) for ref in ready]

    def wait(self, timeout_s: float) -> None:
        """Wait for the first answer."""
        if self._pending:
            ray.wait(list(self._pending), num_returns=1, timeout=timeout_s)

    def close(self) -> None:
        """Give the actors a short time to close their environments, then kill them."""
        closing = [worker.close.remote() for worker in self._workers if self._is_idle(worker)]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=CLOSE_TIMEOUT_S)
        for worker in self._workers:
            ray.kill(worker)
        self._workers = []
        self._pending = {}

    @property
    def workers(self) -> list[Any]:
        """The actors' handles."""
        return list(self._workers)

    def _take(self, ref: ray.ObjectRef) -> EnvEvent:
        slot, worker = self._pending.pop(ref)
        try:
            return ray.get(ref)
        except _DEATHS as error:
            self._replace(worker)
            return EnvEvent(slot=slot, error=_first_line(error), error_kind="worker")
        except RayError as error:  # the actor lives, but its answer cannot be restored here
            return EnvEvent(slot=slot, error=_first_line(error), error_kind="pickle")

    def _worker_of(self, slot: int) -> Any:
        return self._workers[slot % len(self._workers)]

    def _start_worker(self) -> Any:
        return ray.remote(EnvWorker).options(**self._options).remote(self._source)

    def _replace(self, dead: Any) -> None:
        """Replace a dead actor, once for all its pending slots."""
        if dead in self._workers:
            self._workers[self._workers.index(dead)] = self._start_worker()

    def _is_idle(self, worker: Any) -> bool:
        return all(busy != worker for _, busy in self._pending.values())


def _first_line(error: RayError) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)

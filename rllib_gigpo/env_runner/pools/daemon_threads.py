"""Threads that do not keep the process alive, for calls into code that may hang."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any

_MAX_THREADS = 8  # more would wait for Python's lock, even if three quarters of a call are C code
_Job = tuple[Callable[[], Any], Future[Any]]


class DaemonThreads:
    """Some daemon threads that run calls in order.

    Python joins the threads of a `ThreadPoolExecutor` at exit, so one call that hangs would keep
    the process alive for ever.
    """

    def __init__(self, num_threads: int, *, name: str) -> None:
        """Start the threads."""
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._name = name
        self._num_threads = 0
        self.add(num_threads)

    def add(self, num_threads: int) -> None:
        """Start more threads, for example in place of those whose calls hang."""
        for number in range(self._num_threads, self._num_threads + num_threads):
            name = f"{self._name}-{number}"
            Thread(target=_work, args=(self._jobs,), name=name, daemon=True).start()
        self._num_threads += num_threads

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """Queue ``call``."""
        future: Future[Any] = Future()
        self._jobs.put((call, future))
        return future

    def stop(self) -> None:
        """End each thread after its current call, without waiting for it."""
        for _ in range(self._num_threads):
            self._jobs.put(None)


def _work(jobs: SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        call, future = job
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(call())
        except BaseException as error:  # the caller gets it from the future
            future.set_exception(error)


def useful_num_threads() -> int:
    """Return how many threads to use beside a busy main thread: one per two usable CPUs.

    On two CPUs that were busy otherwise, a second thread took 5 % more CPU time and was slower.
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    num_cpus = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, min(num_cpus // 2, _MAX_THREADS))

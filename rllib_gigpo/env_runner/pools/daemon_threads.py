"""Threads that do not keep the process alive, for calls into code that may hang."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

_MAX_THREADS = 8  # more would wait for Python's lock, even if three quarters of a call are C code


class _Job(Future[Any]):
    """A call that waits for a thread, and then its result."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self.call = call
        self.is_left = False  # whether another thread has taken the place of the one that calls


class DaemonThreads:
    """Some daemon threads that run calls in order.

    Python joins the threads of a `ThreadPoolExecutor` at exit, so one call that hangs would keep
    the process alive for ever.
    """

    def __init__(self, num_threads: int, *, name: str) -> None:
        """Start the threads."""
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = Lock()  # for `_Job.is_left` and the end of a call
        self._name = name
        self._num_threads = 0
        self.add(num_threads)

    def add(self, num_threads: int) -> None:
        """Start more threads, for example in place of those whose calls hang."""
        for number in range(self._num_threads, self._num_threads + num_threads):
            name = f"{self._name}-{number}"
            Thread(target=self._work, name=name, daemon=True).start()
        self._num_threads += num_threads

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """Queue ``call``."""
        job = _Job(call)
        self._jobs.put(job)
        return job

    def leave(self, future: Future[Any]) -> None:
        """Give up a call: it never starts, or its thread ends with it and is replaced now.

        Args:
            future: What `submit` returned for the call.
        """
        if not isinstance(future, _Job) or future.cancel():
            return
        with self._lock:
            if future.done():
                return
            try:
                self.add(1)
            except RuntimeError:  # no more threads can be started
                return
            future.is_left = True
            self._num_threads -= 1

    def stop(self) -> None:
        """End each thread after its current call, without waiting for it."""
        for _ in range(self._num_threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if not job.set_running_or_notify_cancel():
                continue
            try:
                job.set_result(job.call())
            except BaseException as error:  # the caller gets it from the future
                job.set_exception(error)
            with self._lock:
                if job.is_left:
                    return


def useful_num_threads() -> int:
    """Return how many threads to use beside a busy main thread: one per two usable CPUs.

    On two CPUs that were busy otherwise, a second thread took 5 % more CPU time and was slower.
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    num_cpus = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, min(num_cpus // 2, _MAX_THREADS))

"""Watches calls into environments on the runner's own thread, where nothing can interrupt them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

_MAX_INTERVAL_S = 5.0


class HangWatch:
    """A daemon thread that reports a call that does not return.

    It costs the watched call about a microsecond. It cannot end the call: that would need another
    process.
    """

    def __init__(self, name: str, *, limit_s: float, report: Callable[[str], None]) -> None:
        """Prepare to watch; the thread starts with the first call.

        Args:
            name: The environment, for the message.
            limit_s: How long a call may take, and how often it is reported.
            report: Gets the message, on the watch's thread.
        """
        self._name = name
        self._limit_s = limit_s
        self._report = report
        self._call: tuple[str, float] | None = None  # the running call and when it began
        self._thread: Thread | None = None
        self._stopped = Event()

    @contextmanager
    def during(self, call: str) -> Iterator[None]:
        """Watch what happens in the block; ``call`` names it in the message."""
        if self._thread is None:
            self._thread = Thread(target=self._look, name="gigpo-hang-watch", daemon=True)
            self._thread.start()
        self._call = (call, time.monotonic())
        try:
            yield
        finally:
            self._call = None

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def _look(self) -> None:
        reported: tuple[str, float] | None = None
        num_reports = 0
        while not self._stopped.wait(min(_MAX_INTERVAL_S, self._limit_s / 10)):
            current = self._call
            if current is not reported:
                reported, num_reports = current, 0
            if current is None:
                continue
            waited_s = time.monotonic() - current[1]
            if waited_s >= self._limit_s * (num_reports + 1):
                num_reports += 1
                self._report(self._message(current[0], waited_s))

    def _message(self, call: str, waited_s: float) -> str:
        return (
            f"The environment {self._name} hangs: {call} has not returned for {waited_s:.0f} s"
            f" (limit {self._limit_s:g} s, config.inference(engine_timeout_s=...)). It runs on the"
            " EnvRunner's own thread, so it cannot be interrupted; with"
            " config.env_runners(num_env_workers=...) it costs its group only."
        )

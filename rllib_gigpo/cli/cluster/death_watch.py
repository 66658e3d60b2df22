"""Ends a command within seconds if its cluster has died.

Without Ray's processes, Ray 2.60 blocks the main thread for 17 to 60 s, deaf to signals, and then
ends the process. So a thread looks after the cluster, and itself ends the command.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rllib_gigpo.cli.cluster.cluster_address import is_listening

_MOST_MISSES = 10
_PARTS = ("gcs_server", "raylet")

LastWords = Callable[[], int]
"""Prints what else there is to say, and returns the exit status."""


@contextmanager
def death_watch(
    find_death: Callable[[], str | None], last_words: LastWords, *, interval_s: float
) -> Iterator[None]:
    """End the process if the cluster dies inside the block.

    Args:
        find_death: Returns a sentence if the cluster has died.
        last_words: Called after that sentence was printed.
        interval_s: Time between two questions.
    """
    over = threading.Event()

    def watch() -> None:
        while not over.wait(interval_s):
            death = find_death()
            if death and not over.is_set():
                _end_process(death, last_words)

    threading.Thread(target=watch, name="gigpo-death-watch", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def own_death(node: Any) -> str | None:
    """Return a sentence if a process has died that keeps the cluster of this command alive.

    Args:
        node: Ray's ``Node`` of this process.
    """
    for part, process in node.dead_processes():
        if part in _PARTS:
            return (
                f"Ray's {part} died ({_ending(process.poll())}), and with it the run's processes."
                " Somebody or the lack of memory killed it, or it crashed; its log is in"
                f" {node.get_logs_dir_path()}"
            )
    return None


class GivenDeath:
    """Tells whether a cluster at an address has died: it refuses 10 connections in a row."""

    def __init__(self, address: str) -> None:
        """Start without misses."""
        self._address = address
        self._num_misses = 0

    def __call__(self) -> str | None:
        """Try to connect; return a sentence after too many misses in a row."""
        self._num_misses = 0 if is_listening(self._address) else self._num_misses + 1
        if self._num_misses < _MOST_MISSES:
            return None
        return f"the Ray cluster at {self._address} no longer answers"


def _ending(status: int | None) -> str:
    if status is None or status >= 0:
        return f"exit status {status}"
    return signal.Signals(-status).name


def _end_process(death: str, last_words: LastWords) -> None:
    print(f"rllib: error: {death}", file=sys.stderr)
    status = 1
    try:
        status = last_words()
    finally:  # whatever fails, do not leave the command blocked
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

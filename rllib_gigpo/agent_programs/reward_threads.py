"""Reward functions in threads: they may take long, and one that hangs must not keep others."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rllib_gigpo.env_runner.pools.daemon_threads import DaemonThreads

_NUM_THREADS = 4


class Verdict:
    """The reward of one episode, which a function is finding or will find."""

    def __init__(self, find: Callable[[], dict[str, Any]], threads: DaemonThreads) -> None:
        """Queue the function.

        Args:
            find: Returns the reward and the last info.
            threads: The threads.
        """
        self._find, self._threads = find, threads
        self._started_at: float | None = None
        self._future = threads.submit(self._run)

    def _run(self) -> dict[str, Any]:
        self._started_at = time.monotonic()
        return self._find()

    @property
    def is_known(self) -> bool:
        """Whether the function has ended."""
        return self._future.done()

    @property
    def seconds(self) -> float:
        """How long the function has run; 0 while it waits for a thread."""
        return 0.0 if self._started_at is None else time.monotonic() - self._started_at

    def outcome(self) -> dict[str, Any]:
        """Return what the function returned.

        Raises:
            BaseException: Whatever the function raised; it may call sys.exit().
        """
        return self._future.result()

    def abandon(self) -> None:
        """Give it up: a function that waits never starts, one that runs keeps no other waiting."""
        self._threads.leave(self._future)


class RewardThreads:
    """The threads of reward functions."""

    def __init__(self) -> None:
        """Start them."""
        self._threads = DaemonThreads(_NUM_THREADS, name="reward")

    def judge(self, find: Callable[[], dict[str, Any]]) -> Verdict:
        """Queue a reward function.

        Args:
            find: Returns the reward and the last info.
        """
        return Verdict(find, self._threads)

    def stop(self) -> None:
        """End each thread after its current function, without waiting for it."""
        self._threads.stop()

"""Weights that travel while EnvRunners sample and the Learner goes on."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import ray

from rllib_gigpo.weights.weight_sync import WeightSync
from rllib_gigpo.weights.weight_update import WeightUpdate


class InFlightWeightSync(WeightSync):
    """A sender that does not wait: an engine takes the weights between two of its steps.

    The confirmations are awaited before the next weights are sent, so that at most one version is
    under way. The last version stays in the object store for EnvRunners that need it again; the
    thread that plays groups sends it without asking the Learners, who may be updating theirs.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Start with nothing under way; the arguments are those of `WeightSync`."""
        super().__init__(*args, **kwargs)
        self._lock = threading.Lock()
        self._newest: list[WeightUpdate] = []
        self._under_way: dict[int, ray.ObjectRef] = {}

    def push(self, version: int, runner_ids: Sequence[int] | None = None) -> None:
        """Send the weights as policy version ``version``, after the last ones have arrived.

        Args:
            version: The policy version.
            runner_ids: The EnvRunners to send to; None for all that answer.

        Raises:
            WeightSyncError: An EnvRunner did not confirm the last version in time, or the Learners
                did not export their weights.
        """
        self.confirm()
        updates = self._exported(version)
        with self._lock:
            self._newest = updates
            self._under_way |= self._send(updates, runner_ids)

    def send_again(self, version: int, runner_ids: Sequence[int]) -> None:
        """Send the newest weights again."""
        with self._lock:
            self._under_way |= self._send(self._newest, runner_ids)

    def confirm(self) -> None:
        """Wait until the last weights are in all engines that were sent them.

        Raises:
            WeightSyncError: An EnvRunner did not confirm the version in time.
        """
        with self._lock:
            under_way, self._under_way = self._under_way, {}
            newest = self._newest
        if newest:
            self._wait_for(under_way, newest[-1].version)

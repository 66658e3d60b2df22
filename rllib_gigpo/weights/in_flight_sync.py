"""Weights that travel while EnvRunners sample and the Learner goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from rllib_gigpo.weights.weight_sync import WeightSync, load_or_say_why


class InFlightWeightSync(WeightSync):
    """A sender that does not wait: an engine takes the weights between two of its steps.

    The confirmations are awaited before the next weights are sent, so that at most one version is
    under way. The last version stays in the object store for EnvRunners that need it again.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Start with nothing under way; the arguments are those of `WeightSync`."""
        super().__init__(*args, **kwargs)
        self._chunks_sent: Sequence[ray.ObjectRef] = ()
        self._version = 0
        self._under_way: dict[int, ray.ObjectRef] = {}

    def push(self, version: int, runner_ids: Sequence[int] | None = None) -> None:
        """Send the weights as policy version ``version``, after the last ones have arrived.

        Args:
            version: The policy version.
            runner_ids: The EnvRunners to send to; None for all healthy ones.

        Raises:
            WeightSyncError: An EnvRunner did not confirm the last version in time, or the Learners
                did not export their weights.
        """
        self.confirm()
        self._chunks_sent, self._version = self._chunks(), version
        if runner_ids is None:
            runner_ids = self._env_runner_group.healthy_env_runner_ids()
        self._send(runner_ids)

    def send_again(self, version: int, runner_ids: Sequence[int]) -> None:
        """Send the last weights again, without asking the Learners, who may be updating theirs."""
        self._send(runner_ids)

    def _send(self, runner_ids: Sequence[int]) -> None:
        load = load_or_say_why(self._chunks_sent, self._version)
        actors = self._env_runner_group._worker_manager.actors()
        for runner_id in runner_ids:
            self._under_way[runner_id] = actors[runner_id].apply.remote(load)

    def confirm(self) -> None:
        """Wait until the last weights are in all engines that were sent them.

        Raises:
            WeightSyncError: An EnvRunner did not confirm the version in time.
        """
        under_way, self._under_way = self._under_way, {}
        if not under_way:
            return
        references = list(under_way.values())
        ray.wait(references, num_returns=len(references), timeout=self._timeout_s)
        answers = dict(_answer(reference) for reference in references)
        self._check(answers, list(under_way), self._version)


def _answer(reference: ray.ObjectRef) -> tuple[int, int | str]:
    """Read an EnvRunner's confirmation, if there is one."""
    try:
        return ray.get(reference, timeout=0)
    except (GetTimeoutError, RayError):
        return -1, ""

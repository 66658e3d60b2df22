"""Distributes groups over remote EnvRunners, and handles EnvRunners that fail."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import ray
from ray.rllib.env.env_runner_group import EnvRunnerGroup

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import LostGroup, SampleResult
from rllib_gigpo.env_runner.last_words import last_words_of
from rllib_gigpo.errors import EngineError, GiGPOError, RolloutError, WeightSyncError

_PROBE_INTERVAL_S = 1.0


class RemoteRunners:
    """The player of tasks on the healthy remote EnvRunners.

    If an EnvRunner dies or hangs, or its engine fails, its groups are lost and it is restarted. An
    error that would recur, such as one in a connector, is raised here with its cause.
    """

    def __init__(
        self,
        env_runner_group: EnvRunnerGroup,
        *,
        timeout_s: float | None,
        restore: Callable[[], Any],
        restore_timeout_s: float,
        resync: Callable[[int], Any],
    ) -> None:
        """Set the EnvRunners and how to restore them.

        Args:
            env_runner_group: The EnvRunners that sample.
            timeout_s: Longest wait for an EnvRunner's share.
            restore: Puts restarted EnvRunners back into service, with the newest weights.
            restore_timeout_s: Longest wait for an EnvRunner to restart when all are dead.
            resync: Sends the newest weights again, because this EnvRunner has restarted.
        """
        self._group = env_runner_group
        self._timeout_s = timeout_s
        self._restore = restore
        self._restore_timeout_s = restore_timeout_s
        self._resync = resync
        self._resynced: set[int] = set()

    def sample(self, tasks: Sequence[GroupTask], *, weight_version: int) -> SampleResult:
        """Play ``tasks``; the groups of an EnvRunner that does not answer are lost.

        Raises:
            RolloutError: No EnvRunner is left, or one failed in the user's code.
            WeightSyncError: An EnvRunner has other weights, even after they were sent again.
        """
        self._await_healthy_runner()
        runner_ids = self._group.healthy_env_runner_ids()
        shares = {
            runner_id: list(tasks[offset :: len(runner_ids)])
            for offset, runner_id in enumerate(runner_ids[: len(tasks)])
        }
        answers = self._play(shares, weight_version=weight_version)
        for runner_id in shares.keys() - answers.keys():
            self._retire(runner_id)
        parts = [
            self._part(runner_id, answers.get(runner_id), share)
            for runner_id, share in shares.items()
        ]
        result = sum(parts, SampleResult())
        longest_s = max(part.stats.seconds for part in parts)  # they run in parallel
        return replace(result, stats=replace(result.stats, seconds=longest_s))

    def _play(
        self, shares: dict[int, list[GroupTask]], *, weight_version: int
    ) -> dict[int, SampleResult | GiGPOError]:
        def play(env_runner: Any) -> tuple[int, SampleResult | GiGPOError]:
            index = env_runner.worker_index
            try:
                return index, env_runner.sample_groups(shares[index], weight_version=weight_version)
            except GiGPOError as error:  # RLlib only logs a remote runner's exceptions
                return index, error
            except Exception:
                return index, RolloutError(f"EnvRunner {index} failed:\n{traceback.format_exc()}")

        return dict(
            self._group.foreach_env_runner(
                play,
                local_env_runner=False,
                remote_worker_ids=list(shares),
                timeout_seconds=self._timeout_s,
            )
        )

    def _part(
        self, runner_id: int, answer: SampleResult | GiGPOError | None, share: list[GroupTask]
    ) -> SampleResult:
        """Turn an EnvRunner's answer into the result of its share."""
        if answer is None:
            return self._silent(runner_id, share)
        if isinstance(answer, EngineError):
            self._retire(runner_id)
            return _all_lost(share, "engine", str(answer))
        if isinstance(answer, WeightSyncError) and runner_id not in self._resynced:
            # Ray restarted it between two calls, and RLlib did not notice.
            self._resynced.add(runner_id)
            self._resync(runner_id)
            return _all_lost(share, "weights", str(answer))
        if isinstance(answer, GiGPOError):
            raise answer
        self._resynced.discard(runner_id)
        return answer

    def _silent(self, runner_id: int, share: list[GroupTask]) -> SampleResult:
        """Return the lost share of an EnvRunner without an answer, with what is known about it."""
        last_words = last_words_of(self._group._worker_manager.actors()[runner_id])
        if last_words is not None:
            return _all_lost(share, "timeout", last_words)
        limit = "" if self._timeout_s is None else f" within sample_timeout_s={self._timeout_s:g}"
        message = f"EnvRunner {runner_id} died or did not answer{limit}; see its actor's log in Ray"
        return _all_lost(share, "runner", message)

    def _await_healthy_runner(self) -> None:
        """If all EnvRunners are dead, wait until one has restarted with its engine."""
        deadline = time.monotonic() + self._restore_timeout_s
        while not self._group.healthy_env_runner_ids():
            self._restore()
            if self._group.healthy_env_runner_ids():
                return
            if time.monotonic() >= deadline:
                raise RolloutError(
                    "All EnvRunners have died and none restarted within"
                    f" {self._restore_timeout_s:g} s: see these actors' logs in Ray for the cause,"
                    " or wait longer with"
                    " config.fault_tolerance(env_runner_restore_timeout_s=...)."
                )
            time.sleep(_PROBE_INTERVAL_S)

    def _retire(self, runner_id: int) -> None:
        """Kill a failed EnvRunner; Ray restarts it.

        RLlib keeps a hanging EnvRunner in service, and would wait for it again and again.
        """
        if runner_id in self._group.healthy_env_runner_ids():
            manager = self._group._worker_manager
            ray.kill(manager.actors()[runner_id], no_restart=False)
            manager.set_actor_state(runner_id, healthy=False)


def _all_lost(tasks: Sequence[GroupTask], kind: str, message: str) -> SampleResult:
    return SampleResult(lost=[LostGroup(task, kind, message) for task in tasks])

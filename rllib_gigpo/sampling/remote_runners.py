"""Remote EnvRunners: who plays which groups, and what becomes of those that break on the way."""

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
from rllib_gigpo.errors import EngineError, GiGPOError, RolloutError, WeightSyncError

_PROBE_INTERVAL_S = 1.0


class RemoteRunners:
    """Shares tasks out over the healthy EnvRunners and gathers what they bring.

    An EnvRunner that dies, hangs, or whose engine fails costs its groups and is started again; an
    error that would come again, such as one in a connector, is raised here with its cause.
    """

    def __init__(
        self,
        env_runner_group: EnvRunnerGroup,
        *,
        timeout_s: float | None,
        restore: Callable[[], Any],
        restore_timeout_s: float,
        resync: Callable[[], Any],
    ) -> None:
        """Prepare to sample.

        Args:
            env_runner_group: Who samples.
            timeout_s: Longest wait for one EnvRunner's share.
            restore: Takes EnvRunners that have come back into service, with the newest weights.
            restore_timeout_s: Longest wait for an EnvRunner to come back when all are dead.
            resync: Gives every EnvRunner the newest weights.
        """
        self._group = env_runner_group
        self._timeout_s = timeout_s
        self._restore = restore
        self._restore_timeout_s = restore_timeout_s
        self._resync = resync
        self._resynced: set[int] = set()

    def sample(self, tasks: Sequence[GroupTask], *, weight_version: int) -> SampleResult:
        """Play ``tasks``; groups of which nothing came back are among the lost ones.

        Raises:
            RolloutError: No EnvRunner is left, or one failed in the user's code.
            WeightSyncError: An EnvRunner holds other weights, also after they were sent again.
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
        longest_s = max(part.stats.seconds for part in parts)  # they work side by side
        return replace(result, stats=replace(result.stats, seconds=longest_s))

    def _play(
        self, shares: dict[int, list[GroupTask]], *, weight_version: int
    ) -> dict[int, SampleResult | GiGPOError]:
        def play(env_runner: Any) -> tuple[int, SampleResult | GiGPOError]:
            index = env_runner.worker_index
            try:
                return index, env_runner.sample_groups(shares[index], weight_version=weight_version)
            except GiGPOError as error:  # RLlib only logs what a remote runner raises
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
        """What one EnvRunner's answer means for its share."""
        if answer is None:
            message = "its EnvRunner died or did not answer in time; see Ray's log of that actor"
            return _all_lost(share, "runner", message)
        if isinstance(answer, EngineError):
            self._retire(runner_id)
            return _all_lost(share, "engine", str(answer))
        if isinstance(answer, WeightSyncError) and runner_id not in self._resynced:
            # Ray has restarted it between two calls, unnoticed.
            self._resynced.add(runner_id)
            self._resync()
            return _all_lost(share, "weights", str(answer))
        if isinstance(answer, GiGPOError):
            raise answer
        self._resynced.discard(runner_id)
        return answer

    def _await_healthy_runner(self) -> None:
        """With all EnvRunners dead: wait for a new one, whose engine has to start first."""
        deadline = time.monotonic() + self._restore_timeout_s
        while not self._group.healthy_env_runner_ids():
            self._restore()
            if self._group.healthy_env_runner_ids():
                return
            if time.monotonic() >= deadline:
                raise RolloutError(
                    f"All EnvRunners have died and none came back in {self._restore_timeout_s:g} s:"
                    " see Ray's logs of these actors for the cause. A longer wait:"
                    " config.fault_tolerance(env_runner_restore_timeout_s=...)."
                )
            time.sleep(_PROBE_INTERVAL_S)

    def _retire(self, runner_id: int) -> None:
        """End an EnvRunner that is of no use any more; Ray starts another in its place.

        RLlib keeps one that hangs in service, and would wait for it again and again.
        """
        if runner_id in self._group.healthy_env_runner_ids():
            manager = self._group._worker_manager
            ray.kill(manager.actors()[runner_id], no_restart=False)
            manager.set_actor_state(runner_id, healthy=False)


def _all_lost(tasks: Sequence[GroupTask], kind: str, message: str) -> SampleResult:
    return SampleResult(lost=[LostGroup(task, kind, message) for task in tasks])

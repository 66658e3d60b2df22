"""The sampling phase: exactly as many groups as asked for, whatever breaks on the way."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ray.rllib.env.env_runner_group import EnvRunnerGroup

from rllib_gigpo.env_runner.records import LostGroup, SampleResult
from rllib_gigpo.errors import GiGPOError, RolloutError
from rllib_gigpo.tasks import GroupTask

_PROBE_INTERVAL_S = 1.0


class GroupSampler:
    """Shares groups out over the EnvRunners, and draws lost ones again."""

    def __init__(
        self,
        env_runner_group: EnvRunnerGroup,
        *,
        max_redraws: int,
        timeout_s: float | None,
        restore: Callable[[], Any],
        restore_timeout_s: float,
    ) -> None:
        """Prepare to sample.

        Args:
            env_runner_group: Who samples.
            max_redraws: Groups in a row that may be lost before the run stops.
            timeout_s: Longest wait for a remote EnvRunner.
            restore: Brings dead EnvRunners back, with the newest weights, as far as they answer.
            restore_timeout_s: Longest wait for an EnvRunner to come back when all are dead.
        """
        self._group = env_runner_group
        self._max_redraws = max_redraws
        self._timeout_s = timeout_s
        self._restore = restore
        self._restore_timeout_s = restore_timeout_s
        self._lost_in_a_row = 0

    def sample(
        self,
        draw: Callable[[int, Sequence[GroupTask]], Sequence[GroupTask]],
        num_groups: int,
        *,
        weight_version: int,
        explore: bool = True,
    ) -> SampleResult:
        """Sample ``num_groups`` whole groups; evaluation may give fewer, see ``lost``.

        Args:
            draw: Gives so many tasks, told which ones were just lost.
            num_groups: Groups that the result holds.
            weight_version: The policy version that must be in every engine.
            explore: Training's sampling and group size, or evaluation's.

        Raises:
            RolloutError: More than ``max_redraws`` groups in a row were lost, with the faults; or
                all EnvRunners are dead for good.
        """
        if not explore:
            self._lost_in_a_row = 0
        result = part = SampleResult()
        while len(result.groups) < num_groups:
            lost = [group.task for group in part.lost]
            tasks = draw(num_groups - len(result.groups), lost)
            part = self._sample_once(tasks, weight_version=weight_version, explore=explore)
            result += part
            if self._are_too_many(part):
                if explore or not result.groups:
                    raise RolloutError(_describe(part.lost, self._lost_in_a_row))
                break  # the fixed tasks of an evaluation: some cannot be played, the others were
        return _in_order(result)

    def _are_too_many(self, part: SampleResult) -> bool:
        """A finished group shows that the environments work, so it ends the row of losses."""
        self._lost_in_a_row = len(part.lost) + (0 if part.groups else self._lost_in_a_row)
        return self._lost_in_a_row > self._max_redraws and not part.groups

    def _sample_once(
        self, tasks: Sequence[GroupTask], *, weight_version: int, explore: bool
    ) -> SampleResult:
        local = self._group.local_env_runner
        if local is not None:
            return local.sample_groups(tasks, explore=explore, weight_version=weight_version)
        self._await_healthy_runner()
        return self._sample_remote(tasks, weight_version=weight_version, explore=explore)

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

    def _sample_remote(
        self, tasks: Sequence[GroupTask], *, weight_version: int, explore: bool
    ) -> SampleResult:
        runner_ids = self._group.healthy_env_runner_ids()
        shares = {
            runner_id: list(tasks[offset :: len(runner_ids)])
            for offset, runner_id in enumerate(runner_ids)
        }
        busy = {runner_id: share for runner_id, share in shares.items() if share}

        def play(env_runner: Any) -> SampleResult | GiGPOError:
            share = busy[env_runner.worker_index]
            try:
                return env_runner.sample_groups(
                    share, explore=explore, weight_version=weight_version
                )
            except GiGPOError as error:  # RLlib only logs what a remote runner raises
                return error

        answers = self._group.foreach_env_runner(
            play,
            local_env_runner=False,
            remote_worker_ids=list(busy),
            timeout_seconds=self._timeout_s,
        )
        for answer in answers:
            if isinstance(answer, GiGPOError):
                raise answer
        result = sum(answers, SampleResult())
        return result + _lost_with_runner(tasks, result)


def _lost_with_runner(tasks: Sequence[GroupTask], result: SampleResult) -> SampleResult:
    """Groups of which nothing came back: their EnvRunner died, or took too long."""
    answered = {group.task for group in result.groups} | {lost.task for lost in result.lost}
    message = "its EnvRunner died or did not answer in time; see Ray's log of that actor"
    return SampleResult(
        lost=[LostGroup(task, "runner", message) for task in tasks if task not in answered]
    )


def _in_order(result: SampleResult) -> SampleResult:
    """Groups by their number, so that who finished first cannot change the batch."""
    groups = sorted(result.groups, key=lambda group: group.task.group_id)
    return SampleResult(groups=groups, lost=result.lost, stats=result.stats)


def _describe(lost: Sequence[LostGroup], num_lost: int) -> str:
    kinds = ", ".join(f"{count} x {kind}" for kind, count in Counter(x.kind for x in lost).items())
    last = lost[-1]
    return (
        f"{num_lost} groups in a row were lost ({kinds}), so the run stops. The last fault, kind"
        f" {last.kind!r}, task seed {last.task.seed}: {last.message}. Mend the environment"
        " (rllib_gigpo.envs.check_env shows what is wrong with it), or allow more with"
        " config.env_runners(max_group_redraws=...)."
    )

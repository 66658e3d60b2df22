"""The sampling phase: exactly as many groups as asked for, whatever breaks on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import LostGroup, SampleResult
from rllib_gigpo.errors import RolloutError


class Plays(Protocol):
    """Plays tasks: a local `GroupEnvRunner.sample_groups`, or `RemoteRunners.sample`."""

    def __call__(self, tasks: Sequence[GroupTask], *, weight_version: int) -> SampleResult:
        """Play ``tasks``."""


class GroupSampler:
    """Draws tasks, has them played, and draws again for the groups that were lost."""

    def __init__(self, play: Plays, *, max_redraws: int) -> None:
        """Prepare to sample.

        Args:
            play: Who plays.
            max_redraws: How often in a row lost groups are drawn again without one that finishes.
        """
        self._play = play
        self._max_redraws = max_redraws

    def sample(
        self,
        draw: Callable[[int, Sequence[GroupTask]], Sequence[GroupTask]],
        num_groups: int,
        *,
        weight_version: int,
        may_give_fewer: bool = False,
    ) -> SampleResult:
        """Sample ``num_groups`` whole groups.

        Args:
            draw: Gives so many tasks, told which ones were just lost.
            num_groups: Groups that the result holds.
            weight_version: The policy version that must be in every engine.
            may_give_fewer: Whether some groups are enough, as of the fixed tasks of an evaluation;
                what is missing then is in ``lost``.

        Raises:
            RolloutError: Not one group finished in ``max_redraws`` + 1 draws; with the faults.
        """
        result, lost, num_fruitless = SampleResult(), list[LostGroup](), 0
        while len(result.groups) < num_groups:
            tasks = draw(num_groups - len(result.groups), [group.task for group in lost])
            part = self._play(tasks, weight_version=weight_version)
            result, lost = result + part, part.lost
            # A finished group shows that the environments work; one incident may cost many groups.
            num_fruitless = 0 if part.groups else num_fruitless + 1
            if num_fruitless > self._max_redraws:
                if result.groups and may_give_fewer:
                    break
                raise RolloutError(_describe(lost, num_fruitless))
        return in_order(result)


def in_order(result: SampleResult) -> SampleResult:
    """Sort groups by their number, so that who finished first cannot change the batch."""
    groups = sorted(result.groups, key=lambda group: _place(group.task))
    return replace(result, groups=groups)


def _place(task: GroupTask) -> tuple[str, int]:
    """Order ids as their numbers are: 2 before 10, "test-2" before "test-10"."""
    text, _, number = str(task.group_id).rpartition("-")
    return (text, int(number)) if number.isdigit() else (str(task.group_id), 0)


def _describe(lost: Sequence[LostGroup], num_draws: int) -> str:
    kinds = ", ".join(f"{count} x {kind}" for kind, count in Counter(x.kind for x in lost).items())
    last = lost[-1]
    return (
        f"In {num_draws} draws in a row all groups were lost, so the run stops; in the last one:"
        f" {kinds}. The last fault, kind {last.kind!r}, task seed {last.task.seed}: {last.message}."
        " Fix the environment (rllib_gigpo.envs.check_env shows what is wrong with it), or allow"
        " more with config.env_runners(max_group_redraws=...)."
    )

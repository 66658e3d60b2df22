"""The sampling phase: exactly the requested number of groups, even if some are lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import LostGroup, SampleResult
from rllib_gigpo.errors import RolloutError


class Plays(Protocol):
    """A player of tasks: a local `GroupEnvRunner.sample_groups`, or `RemoteRunners.sample`."""

    def __call__(self, tasks: Sequence[GroupTask], *, weight_version: int) -> SampleResult:
        """Play ``tasks``."""


class GroupSampler:
    """A sampler that draws tasks, plays them, and draws again for lost groups."""

    def __init__(self, play: Plays, *, max_redraws: int) -> None:
        """Prepare to sample with ``play``.

        Args:
            play: The player of the tasks.
            max_redraws: How many redraws in a row may finish no group.
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
            draw: Returns that many tasks, given the tasks that were just lost.
            num_groups: Number of groups in the result.
            weight_version: The policy version that every engine must have.
            may_give_fewer: Whether fewer groups are enough, as in an evaluation with fixed tasks;
                the missing ones are in ``lost``.

        Raises:
            RolloutError: No group finished in ``max_redraws`` + 1 draws in a row; the message
                describes the faults.
        """
        result, lost, num_fruitless = SampleResult(), list[LostGroup](), 0
        while len(result.groups) < num_groups:
            tasks = draw(num_groups - len(result.groups), [group.task for group in lost])
            part = self._play(tasks, weight_version=weight_version)
            result, lost = result + part, part.lost
            # A finished group shows that the environments work; one fault may cost many groups.
            num_fruitless = 0 if part.groups else num_fruitless + 1
            if num_fruitless > self._max_redraws:
                if result.groups and may_give_fewer:
                    break
                raise RolloutError(_describe(lost, num_fruitless))
        return in_order(result)


def in_order(result: SampleResult) -> SampleResult:
    """Sort groups by their number, so the order in which they finish does not matter."""
    groups = sorted(result.groups, key=lambda group: _place(group.task))
    return replace(result, groups=groups)


def _place(task: GroupTask) -> tuple[str, int]:
    """Return a key that sorts ids by number: 2 before 10, "test-2" before "test-10"."""
    text, _, number = str(task.group_id).rpartition("-")
    return (text, int(number)) if number.isdigit() else (str(task.group_id), 0)


def _describe(lost: Sequence[LostGroup], num_draws: int) -> str:
    kinds = ", ".join(f"{count} x {kind}" for kind, count in Counter(x.kind for x in lost).items())
    last = lost[-1]
    return (
        f"All groups were lost in {num_draws} draws in a row, so the run stops. Faults in the last"
        f" draw: {kinds}. Last fault, {last.kind!r} at task seed {last.task.seed}: {last.message}."
        " Fix the environment (rllib_gigpo.envs.check_env shows what is wrong with it), or allow"
        " more redraws with config.env_runners(max_group_redraws=...)."
    )

"""The sampling phase: exactly the requested number of groups, even if some are lost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import LostGroup, SampleResult
from rllib_gigpo.errors import RolloutError
from rllib_gigpo.sampling.fault_bound import FaultBound, described

_MAX_FRUITLESS_DRAWS = 6  # of fixed tasks, which may be impossible to play


class Plays(Protocol):
    """A player of tasks: a local `GroupEnvRunner.sample_groups`, or `RemoteRunners.sample`."""

    def __call__(self, tasks: Sequence[GroupTask], *, weight_version: int) -> SampleResult:
        """Play ``tasks``."""


class GroupSampler:
    """A sampler that draws tasks, plays them, and draws again for lost groups."""

    def __init__(self, play: Plays, *, max_lost_rate: float) -> None:
        """Prepare to sample with ``play``.

        Args:
            play: The player of the tasks.
            max_lost_rate: The share of the last groups that may be lost; see `FaultBound`.
        """
        self._play = play
        self._fault_bound = FaultBound(max_rate=max_lost_rate)

    def sample(
        self,
        draw: Callable[[int, Sequence[GroupTask]], Sequence[GroupTask]],
        num_groups: int,
        *,
        weight_version: int,
    ) -> SampleResult:
        """Sample ``num_groups`` whole groups.

        Redraws hold a few more groups than are missing, as many as earlier redraws suggest. The
        groups that are then too many are in ``filtered``: those drawn last, however long they took.

        Args:
            draw: Returns that many tasks, given the tasks that were just lost.
            num_groups: Number of groups in the result.
            weight_version: The policy version that every engine must have.

        Raises:
            RolloutError: Too many groups are lost; the message describes the faults.
        """
        result, redrawn, lost = SampleResult(), SampleResult(), list[LostGroup]()
        while (num_missing := num_groups - len(result.groups)) > 0:
            number = min(num_groups, _num_to_draw(num_missing, redrawn))
            tasks = draw(number, [group.task for group in lost])
            part = self._play(tasks, weight_version=weight_version)
            self._fault_bound.note(part)
            # The first draw does not count: one incident, such as a dead runner, costs many groups.
            redrawn = redrawn + part if result.lost else redrawn
            result, lost = result + part, part.lost
        result = in_order(result)
        return replace(
            result,
            groups=result.groups[:num_groups],
            filtered=result.filtered + result.groups[num_groups:],
        )

    def take_warnings(self) -> dict[str, str]:
        """Return warnings of lost groups, by kind; each kind is warned of once."""
        return self._fault_bound.take_warnings()

    def sample_fixed(
        self,
        draw: Callable[[int, Sequence[GroupTask]], Sequence[GroupTask]],
        num_groups: int,
        *,
        weight_version: int,
    ) -> SampleResult:
        """Sample fixed tasks, as in an evaluation; see `sample`.

        A task that is lost is played again. Tasks that cannot be played are missing in the result
        and named in ``lost``; they do not count towards the bound on lost groups.

        Raises:
            RolloutError: No task can be played.
        """
        result, lost, num_fruitless = SampleResult(), list[LostGroup](), 0
        while len(result.groups) < num_groups and num_fruitless < _MAX_FRUITLESS_DRAWS:
            tasks = draw(num_groups - len(result.groups), [group.task for group in lost])
            part = self._play(tasks, weight_version=weight_version)
            result, lost = result + part, part.lost
            num_fruitless = 0 if part.groups else num_fruitless + 1
        if not result.groups:
            raise RolloutError(
                f"No task could be played in {num_fruitless} attempts. {described(lost)} Fix the"
                " environment; rllib_gigpo.envs.check_env shows what is wrong with it."
            )
        return in_order(result)


def _num_to_draw(num_missing: int, redrawn: SampleResult) -> int:
    """Return how many groups to draw so that about ``num_missing`` of them finish."""
    num_played, num_finished = len(redrawn.groups) + len(redrawn.lost), len(redrawn.groups)
    if num_played == 0:
        return num_missing
    return math.ceil(num_missing * num_played / max(1, num_finished))


def in_order(result: SampleResult) -> SampleResult:
    """Sort groups by their number, so the order in which they finish does not matter."""
    groups = sorted(result.groups, key=lambda group: group.task.place)
    return replace(result, groups=groups)

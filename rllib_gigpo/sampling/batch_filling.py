"""A batch while it fills: which of the drawn tasks it needs, in whatever order they finish."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import FinishedGroup, SampleResult

_MIN_USEFUL_SHARE = 0.5  # at most twice as many groups as are missing are played ahead


class BatchFilling:
    """The first groups, in the order of the tasks, that make a full batch.

    A batch is full with ``num_groups`` groups that are kept. Beyond ``max_aside`` of them, groups
    that were set aside fill it too. Tasks behind those are not needed, even if they were played.
    """

    def __init__(
        self, num_groups: int, *, max_aside: float, keeps: Callable[[FinishedGroup], bool]
    ) -> None:
        """Start empty."""
        self._num_groups = num_groups
        self._max_aside = max_aside
        self._keeps = keeps
        self._drawn: list[GroupTask] = []
        self._kept: dict[int | str, FinishedGroup] = {}
        self._aside: dict[int | str, FinishedGroup] = {}
        self._ended: set[int | str] = set()

    def add(self, tasks: Sequence[GroupTask]) -> None:
        """Add tasks that were drawn."""
        self._drawn += tasks

    def end(self, part: SampleResult) -> None:
        """Note what came back."""
        for group in part.groups:
            (self._kept if self._keeps(group) else self._aside)[group.task.group_id] = group
        self._ended |= {task.group_id for task in part.ended}

    @property
    def num_missing(self) -> int:
        """Number of groups to draw if all that are played are kept."""
        return max(0, self._num_groups - self._num_full - self._num_open)

    @property
    def num_likely_missing(self) -> int:
        """Number of groups to draw if the share that is kept stays the same."""
        if not self._ended:
            return 0
        share = max(_MIN_USEFUL_SHARE, len(self._kept) / len(self._ended))
        wanted = math.ceil((self._num_groups - self._num_full) / share)
        return max(0, wanted - self._num_open)

    @property
    def num_needed(self) -> int | None:
        """Number of drawn tasks that fill the batch; None as long as it is not full."""
        num_kept = num_aside = 0
        for number, task in enumerate(self._drawn, 1):
            if task.group_id not in self._ended:
                return None
            num_kept += task.group_id in self._kept
            num_aside += task.group_id in self._aside
            if num_kept + max(0, num_aside - self._max_aside) >= self._num_groups:
                return number
        return None

    def result(self, num_needed: int) -> tuple[list[FinishedGroup], list[FinishedGroup]]:
        """Return the batch and the groups that were set aside, each in the order of the tasks."""
        needed = [task.group_id for task in self._drawn[:num_needed]]
        kept = [self._kept[one] for one in needed if one in self._kept]
        aside = [self._aside[one] for one in needed if one in self._aside]
        num_filled = self._num_groups - len(kept)
        batch = sorted(kept + aside[:num_filled], key=lambda group: group.task.place)
        return batch, aside[num_filled:]

    def surplus(self, num_needed: int) -> list[GroupTask]:
        """Return the tasks that were drawn and are not needed."""
        return self._drawn[num_needed:]

    @property
    def _num_full(self) -> int:
        return len(self._kept) + int(max(0, len(self._aside) - self._max_aside))

    @property
    def _num_open(self) -> int:
        return len(self._drawn) - len(self._ended)

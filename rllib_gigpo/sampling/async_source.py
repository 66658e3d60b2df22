"""Asynchronous training: the next batches are played while the Learner updates."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import FinishedGroup, SampleResult
from rllib_gigpo.sampling.dynamic_sampling import DynamicSampling, has_spread
from rllib_gigpo.sampling.fault_bound import FaultBound
from rllib_gigpo.sampling.queue.queue_pump import QueuePump
from rllib_gigpo.sampling.sample_source import SampleSource
from rllib_gigpo.sampling.staleness import oldest_version
from rllib_gigpo.sampling.training_tasks import TaskStream

_WAIT_S = 1.0


class AsyncSource(SampleSource):
    """A source whose groups may be up to k policy versions old.

    With B groups a batch and policy version v, groups for the batches v ... v + k may be played, no
    more: so at most (k + 1)·B groups are under way or wait to be used, and k·B during an update. A
    group that starts now is used at version v + k at the latest, unless it is overtaken; a group
    whose oldest token is older when it is to be used is dropped, and another task is drawn.
    """

    def __init__(
        self,
        tasks: TaskStream,
        pump: QueuePump,
        *,
        max_staleness: int,
        dynamic: DynamicSampling | None,
        max_lost_rate: float,
        tend: Callable[[], Any],
    ) -> None:
        """Take tasks from a stream and play them with a pump.

        Args:
            tasks: The stream of tasks.
            pump: Plays groups while the Learner updates.
            max_staleness: k, at least 1.
            dynamic: Replaces groups without spread; None keeps them.
            max_lost_rate: The share of the last groups that may be lost; see `FaultBound`.
            tend: Called while `sample` waits.
        """
        self._tasks = tasks
        self._pump = pump
        self._lane = pump.open_lane(replace=self._replace)
        self._max_staleness = max_staleness
        self._dynamic = dynamic
        self._max_replaced = math.inf  # of the groups without spread, for a batch
        self._fault_bound = FaultBound(max_rate=max_lost_rate)
        self._tend = tend
        self._lock = threading.Lock()
        self._unused: dict[int | str, GroupTask] = {}  # ordered, and neither used nor given up
        self._ready: list[FinishedGroup] = []
        self._aside: list[FinishedGroup] = []

    def sample(self, num_groups: int, *, weight_version: int) -> SampleResult:
        """Return the groups that have been ready for longest; wait for those that are missing."""
        if self._dynamic is not None:
            self._max_replaced = self._dynamic.max_resamples * num_groups
        oldest = weight_version - self._max_staleness
        result = self._lane.advance(weight_version=max(0, oldest), timeout_s=0.0)
        while True:
            with self._lock:
                stale = self._give_up(oldest)
                new = self._order((self._max_staleness + 1) * num_groups - len(self._unused))
                taken, filtered = self._take(num_groups)
            result += SampleResult(stale=stale, groups=taken, filtered=filtered)
            if new:
                self._lane.put(new)
            if taken:
                break
            result += self._lane.advance(weight_version=max(0, oldest), timeout_s=_WAIT_S)
            self._tend()
        return replace(result, stats=self._lane.take_stats())

    # ------------------------------------------------------------------ under the lock

    def _give_up(self, oldest: int) -> list[FinishedGroup]:
        """Remove the groups with a token from before version ``oldest``."""
        held = [*self._ready, *self._aside]
        stale = [group for group in held if oldest_version(group) < oldest]
        self._ready = [group for group in self._ready if oldest_version(group) >= oldest]
        self._aside = [group for group in self._aside if oldest_version(group) >= oldest]
        for group in stale:
            self._unused.pop(group.task.group_id, None)
        return stale

    def _order(self, number: int) -> list[GroupTask]:
        """Draw new tasks."""
        new = self._tasks.draw(max(0, number))
        self._unused |= {task.group_id: task for task in new}
        return new

    def _take(self, num_groups: int) -> tuple[list[FinishedGroup], list[FinishedGroup]]:
        """Take a batch if it is complete; return it and the groups that were set aside."""
        num_extra = int(max(0, min(len(self._aside) - self._max_replaced, num_groups)))
        if len(self._ready) + num_extra < num_groups:
            return [], []
        self._ready.sort(key=lambda group: group.task.place)
        taken, self._ready = self._ready[:num_groups], self._ready[num_groups:]
        missing = num_groups - len(taken)
        taken += self._aside[:missing]
        filtered, self._aside = self._aside[missing:], []
        for group in taken:
            self._unused.pop(group.task.group_id, None)
        return taken, filtered

    def _replace(self, part: SampleResult) -> Sequence[GroupTask]:
        """Sort what arrived, in the pump's thread; return tasks for lost and useless groups."""
        self._fault_bound.note(part)
        useful, useless = list[FinishedGroup](), list[FinishedGroup]()
        for group in part.groups:
            keeps = self._dynamic is None or has_spread(group)
            (useful if keeps else useless).append(group)
        with self._lock:
            useful = [group for group in useful if group.task.group_id in self._unused]
            self._ready += useful
            room = self._max_replaced - len(self._aside)
            self._aside += useless
            for task in SampleResult(groups=useless, lost=part.lost).ended:
                self._unused.pop(task.group_id, None)
            return self._order(len(part.lost) + int(max(0, min(len(useless), room))))

    # ------------------------------------------------------------------ state and end

    def take_warnings(self) -> dict[str, str]:
        """Return warnings of lost groups, by kind."""
        return self._fault_bound.take_warnings()

    def metrics(self) -> dict[str, float]:
        """Return how many groups are under way or wait to be used."""
        with self._lock:
            return {"queue_length": len(self._unused), "groups_ready": len(self._ready)}

    def get_state(self) -> dict[str, Any]:
        """Return the position in the stream, and the earlier tasks that no batch has had."""
        with self._lock:
            state = self._tasks.get_state()
            unused = [int(group_id) for group_id in self._unused]
            return {**state, "again": sorted([*state["again"], *unused])}

    def set_state(self, state: dict[str, Any]) -> None:
        """Drop what is under way; draw the tasks that no batch has had, then go on."""
        self._lane.clear()
        with self._lock:
            self._tasks.set_state(state)
            self._unused, self._ready, self._aside = {}, [], []

    def stop(self) -> None:
        """End the pump."""
        self._pump.stop()

"""A thread that keeps the queue moving while the Algorithm does something else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import RolloutStats, SampleResult
from rllib_gigpo.sampling.queue.group_queue import GroupQueue

_WAIT_S = 0.05  # until groups that were put in meanwhile are handed out
_STOP_S = 10.0

Replace = Callable[[SampleResult], Sequence[GroupTask]]


class Lane:
    """A part of the pumped queue with its own groups; it looks like a `GroupQueue`.

    The lanes of training and of evaluation share the players.
    """

    def __init__(self, pump: QueuePump, *, is_first: bool, replace: Replace | None) -> None:
        """Open a lane; see `QueuePump.open_lane`."""
        self._pump = pump
        self.is_first = is_first
        self.replace = replace
        self.open: set[int | str] = set()
        self.arrived = SampleResult()
        self.has_news = False

    @property
    def num_open(self) -> int:
        """Number of groups that wait or are played."""
        return len(self.open)

    @property
    def num_free_groups(self) -> int:
        """0: a lane does not know of the other lanes' groups."""
        return 0

    def put(self, tasks: Iterable[GroupTask]) -> None:
        """Add groups."""
        self._pump.put(self, list(tasks))

    def advance(self, *, weight_version: int, timeout_s: float) -> SampleResult:
        """Wait until something arrives, at most ``timeout_s``, and return it.

        Args:
            weight_version: The lowest policy version that players must have from now on.
            timeout_s: Longest wait in seconds.

        Raises:
            GiGPOError: The pump failed; see `GroupQueue.advance`.
        """
        return self._pump.take(self, weight_version=weight_version, timeout_s=timeout_s)

    def clear(self) -> None:
        """Forget this lane's groups, and end those that are played."""
        self._pump.drop(self)

    def take_stats(self) -> RolloutStats:
        """Return the statistics of all lanes since the last call; the first lane has none."""
        return RolloutStats() if self.is_first else self._pump.take_stats()


class QueuePump:
    """The thread; it alone touches the queue and the players."""

    def __init__(self, queue: GroupQueue) -> None:
        """Prepare to move ``queue``; the thread starts with the first groups."""
        self._queue = queue
        self._news = threading.Condition()
        self._inbox: list[tuple[Lane, list[GroupTask]]] = []
        self._to_drop: list[int | str] = []
        self._lane_of: dict[int | str, Lane] = {}
        self._weight_version = 0
        self._queue_lock = threading.Lock()
        self._error: BaseException | None = None
        self._is_stopping = False
        self._thread: threading.Thread | None = None

    def open_lane(self, *, is_first: bool = False, replace: Replace | None = None) -> Lane:
        """Open a lane.

        Args:
            is_first: Whether its groups go before those of other lanes.
            replace: Called in the thread with what arrived, it takes the groups; returns groups to
                add at once.
        """
        return Lane(self, is_first=is_first, replace=replace)

    def stop(self) -> None:
        """End the thread; groups that are played are left to their players."""
        with self._news:
            self._is_stopping = True
            self._news.notify_all()
        if self._thread is not None:
            self._thread.join(_STOP_S)

    # ------------------------------------------------------------------ for lanes

    def put(self, lane: Lane, tasks: list[GroupTask]) -> None:
        """Add groups of a lane."""
        with self._news:
            self._raise_error()
            self._inbox.append((lane, tasks))
            lane.open |= {task.group_id for task in tasks}
            self._news.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="group-queue", daemon=True)
            self._thread.start()

    def take(self, lane: Lane, *, weight_version: int, timeout_s: float) -> SampleResult:
        """Wait for what arrives in a lane."""
        with self._news:
            self._weight_version = weight_version
            self._news.wait_for(lambda: self._error or lane.has_news, timeout_s)
            self._raise_error()
            arrived, lane.arrived, lane.has_news = lane.arrived, SampleResult(), False
            lane.open -= {task.group_id for task in arrived.ended}
            return arrived

    def drop(self, lane: Lane) -> None:
        """Forget a lane's groups."""
        with self._news:
            self._inbox = [order for order in self._inbox if order[0] is not lane]
            self._to_drop += lane.open
            lane.open = set()
            lane.arrived = SampleResult()

    def take_stats(self) -> RolloutStats:
        """Return the statistics since the last call."""
        with self._queue_lock:
            return self._queue.take_stats()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        try:
            while self._move():
                pass
        except BaseException as error:
            with self._news:
                self._error = error
                self._news.notify_all()

    def _move(self) -> bool:
        """Advance the queue once; return False at the end."""
        with self._news:
            if not (self._inbox or self._to_drop or self._queue.num_open or self._is_stopping):
                self._news.wait(_WAIT_S)
            inbox, self._inbox = self._inbox, []
            to_drop, self._to_drop = self._to_drop, []
            weight_version, is_stopping = self._weight_version, self._is_stopping
        if is_stopping:
            return False
        self._queue.drop(to_drop)
        for group_id in to_drop:
            self._lane_of.pop(group_id, None)
        for lane, tasks in inbox:
            self._add(lane, tasks)
        if self._queue.num_open:
            with self._queue_lock:
                result = self._queue.advance(weight_version=weight_version, timeout_s=_WAIT_S)
            self._deliver(result)
        return True

    def _add(self, lane: Lane, tasks: Sequence[GroupTask]) -> None:
        self._lane_of |= {task.group_id: lane for task in tasks}
        self._queue.put(tasks, first=lane.is_first)

    def _deliver(self, result: SampleResult) -> None:
        """Give each lane what belongs to it, and add the replacements that it asks for."""
        parts: dict[int, tuple[Lane, SampleResult]] = {}
        for kind in ("groups", "lost", "moved"):
            for group in getattr(result, kind):
                lane = self._lane_of[group.task.group_id]
                _, part = parts.setdefault(id(lane), (lane, SampleResult()))
                getattr(part, kind).append(group)
        new = [(lane, lane.replace(part)) for lane, part in parts.values() if lane.replace]
        with self._news:
            for lane, part in parts.values():
                for task in part.ended:
                    del self._lane_of[task.group_id]
                if lane.replace is not None:  # it has taken the groups
                    lane.open -= {group.task.group_id for group in part.groups}
                    part = replace(part, groups=[])
                lane.arrived += part
                lane.has_news = True
            for lane, tasks in new:
                lane.open |= {task.group_id for task in tasks}
            self._news.notify_all()
        for lane, tasks in new:
            self._add(lane, tasks)

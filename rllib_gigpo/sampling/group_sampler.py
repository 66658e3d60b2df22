"""The sampling phase: exactly the requested number of groups, even if some are lost or useless."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import FinishedGroup, SampleResult
from rllib_gigpo.errors import RolloutError
from rllib_gigpo.sampling.batch_filling import BatchFilling
from rllib_gigpo.sampling.dynamic_sampling import DynamicSampling, has_spread
from rllib_gigpo.sampling.fault_bound import FaultBound, described
from rllib_gigpo.sampling.queue.group_queue import GroupQueue, in_order
from rllib_gigpo.sampling.queue.queue_pump import Lane

MAX_ATTEMPTS = 6
"""How often to play a fixed task, which may be impossible to play."""

_WAIT_S = 1.0


class GroupSampler:
    """A sampler that fills a batch from the queue, and draws again what is missing."""

    def __init__(
        self,
        queue: GroupQueue | Lane,
        *,
        max_lost_rate: float,
        dynamic: DynamicSampling | None = None,
        tend: Callable[[], Any] = lambda: None,
    ) -> None:
        """Prepare to sample from ``queue``.

        Args:
            queue: The queue of all players.
            max_lost_rate: The share of the last groups that may be lost; see `FaultBound`.
            dynamic: Replaces groups without spread; None keeps them.
            tend: Called each time that something arrives, and about once a second.
        """
        self._queue = queue
        self._tend = tend
        self._fault_bound = FaultBound(max_rate=max_lost_rate)
        self._dynamic = dynamic

    def sample(
        self,
        draw: Callable[[int], Sequence[GroupTask]],
        num_groups: int,
        *,
        weight_version: int,
        give_back: Callable[[Sequence[GroupTask]], None] | None = None,
    ) -> SampleResult:
        """Sample ``num_groups`` whole groups.

        A group that is lost, or has no spread under dynamic sampling, is replaced at once, while
        the others are still played. Players with free slots then play ahead what is likely to be
        needed. The batch has the first useful groups in the order of the tasks, so it does not
        depend on the order in which groups finish.

        Args:
            draw: Returns that many new tasks.
            num_groups: Number of groups in the result.
            weight_version: The policy version that every engine must have.
            give_back: Takes tasks that were drawn last and not needed, to be drawn again; None if
                nothing is to be played ahead.

        Returns:
            The batch, in the order of the tasks; ``filtered`` has the groups without spread.

        Raises:
            RolloutError: Too many groups are lost; the message describes the faults.
        """
        max_aside = math.inf if self._dynamic is None else self._dynamic.max_resamples * num_groups
        filling = BatchFilling(num_groups, max_aside=max_aside, keeps=self._keeps)
        result, number = SampleResult(), num_groups
        with _emptied(self._queue):
            while (num_needed := filling.num_needed) is None:
                if number:
                    tasks = draw(number)
                    filling.add(tasks)
                    self._queue.put(tasks)
                part = self._advance(weight_version)
                self._fault_bound.note(part)
                filling.end(part)
                result += replace(part, groups=[])
                number = filling.num_missing or (self._num_ahead(filling) if give_back else 0)
        self._queue.clear()  # what is still played is not needed
        if give_back is not None:
            give_back(filling.surplus(num_needed))
        groups, filtered = filling.result(num_needed)
        return self._with_stats(replace(result, groups=groups, filtered=filtered))

    def _num_ahead(self, filling: BatchFilling) -> int:
        """Return how many groups to play although they may not be needed."""
        return min(filling.num_likely_missing, self._queue.num_free_groups)

    def sample_fixed(self, tasks: Sequence[GroupTask], *, weight_version: int) -> SampleResult:
        """Sample fixed tasks, as in an evaluation.

        A task that is lost is played again. Tasks that cannot be played are missing in the result
        and named in ``lost``; they do not count towards the bound on lost groups.

        Raises:
            RolloutError: No task can be played.
        """
        result, attempts = SampleResult(), Counter[int | str]()
        with _emptied(self._queue):
            # Nobody may start with older weights, not even in the moment after `put`.
            self._queue.advance(weight_version=weight_version, timeout_s=0.0)
            self._queue.put(tasks)
            while self._queue.num_open:
                part = self._advance(weight_version)
                result += part
                for group in part.lost:
                    attempts[group.task.group_id] += 1
                    if attempts[group.task.group_id] < MAX_ATTEMPTS:
                        self._queue.put([group.task])
        if not result.groups:
            raise RolloutError(
                f"No task could be played in {MAX_ATTEMPTS} attempts. {described(result.lost)} Fix"
                " the environment; `rllib check-env` shows what is wrong with it."
            )
        return self._with_stats(result)

    def take_warnings(self) -> dict[str, str]:
        """Return warnings of lost groups, by kind; each kind is warned of once."""
        return self._fault_bound.take_warnings()

    def _advance(self, weight_version: int) -> SampleResult:
        part = self._queue.advance(weight_version=weight_version, timeout_s=_WAIT_S)
        self._tend()
        return part

    def _keeps(self, group: FinishedGroup) -> bool:
        return self._dynamic is None or has_spread(group)

    def _with_stats(self, result: SampleResult) -> SampleResult:
        return replace(in_order(result), stats=self._queue.take_stats())


@contextmanager
def _emptied(queue: GroupQueue | Lane) -> Iterator[None]:
    """Leave no group behind in the queue if sampling fails."""
    try:
        yield
    except BaseException:
        queue.clear()
        raise

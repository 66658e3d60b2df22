"""Training tasks: the starting points of groups of episodes, each given by an environment seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.engines.inference_engine import SamplingSettings


class TaskStream:
    """The endless, reproducible sequence of training tasks.

    With ``num_tasks`` tasks, every pass plays each task once, in an order that depends only on the
    seed and the number of the pass. With ``num_tasks=None``, the seeds count upwards without end.
    With a ``period`` of k, tasks whose seeds are equal modulo k are of one kind, such as one
    environment of a mixture, and every k consecutive draws hold one task of each kind.
    The position is the whole state, so a resumed run draws the same tasks as an uninterrupted one.
    """

    def __init__(
        self,
        *,
        group_size: int,
        sampling: SamplingSettings,
        first_task: int,
        num_tasks: int | None,
        seed: int,
        period: int = 1,
    ) -> None:
        """Start at the first task.

        Args:
            group_size: Number of episodes per task.
            sampling: How their tokens are sampled.
            first_task: The lowest environment seed.
            num_tasks: Number of consecutive seeds; None for no bound.
            seed: The seed of each pass's order.
            period: Number of kinds; ``num_tasks`` is a multiple of it.
        """
        self._group_size = group_size
        self._sampling = sampling
        self._first_task = first_task
        self._num_tasks = num_tasks
        self._seed = seed
        self._period = period
        self._position = 0
        self._again: list[int] = []  # earlier positions to draw first, in order
        self._order: tuple[int, np.ndarray] | None = None

    def draw(self, num_groups: int) -> list[GroupTask]:
        """Draw the next ``num_groups`` tasks."""
        again, self._again = self._again[:num_groups], self._again[num_groups:]
        end = self._position + num_groups - len(again)
        positions = [*again, *range(self._position, end)]
        self._position = end
        return [
            GroupTask(position, self._task_at(position), self._group_size, self._sampling)
            for position in positions
        ]

    def give_back(self, tasks: Sequence[GroupTask]) -> None:
        """Take back tasks that nobody needs; they are drawn again first."""
        self._again = sorted([*self._again, *(int(task.group_id) for task in tasks)])
        while self._again and self._again[-1] == self._position - 1:
            self._position = self._again.pop()

    def get_state(self) -> dict[str, Any]:
        """Return the state to continue from."""
        return {"position": self._position, "again": list(self._again)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from the state that ``get_state`` returned."""
        self._position = int(state["position"])
        self._again = sorted(state.get("again", ()))

    def _task_at(self, position: int) -> int:
        if self._num_tasks is None:
            return self._first_task + position
        lap, offset = divmod(position, self._num_tasks)
        if self._order is None or self._order[0] != lap:
            self._order = (lap, self._new_order(lap, self._num_tasks))
        return self._first_task + int(self._order[1][offset])

    def _new_order(self, lap: int, num_tasks: int) -> np.ndarray:
        """Return a permutation of 0 ... num_tasks - 1 that keeps each value modulo the period."""
        rng = np.random.default_rng([self._seed, lap])
        columns = [rng.permutation(num_tasks // self._period) for _ in range(self._period)]
        return (np.stack(columns, axis=1) * self._period + np.arange(self._period)).ravel()


def whole_passes(num_train_tasks: int | None, task_period: int) -> Iterator[str]:
    """Check that each pass has the same number of tasks of every kind."""
    number = num_train_tasks or 0
    if number % task_period:
        whole = max(number - number % task_period, task_period)
        yield f"num_train_tasks={number} must be a multiple of {task_period=}; set it to {whole}"


def disjoint(
    num_train_tasks: int | None, first_train_task: int, num_test_tasks: int, first_test_task: int
) -> Iterator[str]:
    """Check that no task is both a training and a test task."""
    test = range(first_test_task, first_test_task + num_test_tasks)
    # Without a limit, training counts upwards and may stay below the test tasks.
    train = range(first_train_task, first_train_task + (num_train_tasks or 1))
    if train[0] <= test[-1] and test[0] <= train[-1]:
        yield (
            f"training tasks {train[0]}..{train[-1]} and test tasks {test[0]}..{test[-1]} overlap;"
            " move one of the two ranges"
        )

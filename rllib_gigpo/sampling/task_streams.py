"""Tasks: which starting points the groups of episodes play, named by environment seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.engines.inference_engine import SamplingSettings

if TYPE_CHECKING:
    from rllib_gigpo.config.sections import Settings


class TaskStream:
    """The endless, reproducible sequence of training tasks.

    With ``num_tasks`` tasks, every pass plays each task once, in an order that depends on the seed
    and the number of the pass only. With a ``period`` of k, tasks whose seeds leave the same
    remainder by k are of one kind (those of a mixture's environments, say), and every k consecutive
    draws hold one of each. With ``num_tasks=None`` the seeds count upwards without end.
    The position is the whole state, so that a run cut in two draws what an uncut one draws.
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
            group_size: Episodes of each task.
            sampling: How their tokens are drawn.
            first_task: The lowest environment seed.
            num_tasks: How many consecutive seeds there are; None for no bound.
            seed: Decides the order of each pass.
            period: Number of kinds; ``num_tasks`` is a multiple of it.
        """
        self._group_size = group_size
        self._sampling = sampling
        self._first_task = first_task
        self._num_tasks = num_tasks
        self._seed = seed
        self._period = period
        self._position = 0
        self._order: tuple[int, np.ndarray] | None = None

    def draw(self, num_groups: int, lost: Sequence[GroupTask] = ()) -> list[GroupTask]:
        """Take the next ``num_groups`` tasks; lost ones are not tried again in this pass."""
        drawn = [
            GroupTask(position, self._task_at(position), self._group_size, self._sampling)
            for position in range(self._position, self._position + num_groups)
        ]
        self._position += num_groups
        return drawn

    def get_state(self) -> dict[str, Any]:
        """What is needed to go on from here."""
        return {"position": self._position}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where ``get_state`` was taken."""
        self._position = int(state["position"])

    def _task_at(self, position: int) -> int:
        if self._num_tasks is None:
            return self._first_task + position
        lap, offset = divmod(position, self._num_tasks)
        if self._order is None or self._order[0] != lap:
            self._order = (lap, self._new_order(lap, self._num_tasks))
        return self._first_task + int(self._order[1][offset])

    def _new_order(self, lap: int, num_tasks: int) -> np.ndarray:
        """A permutation of 0 ... num_tasks - 1 that keeps the remainder by the period in place."""
        rng = np.random.default_rng([self._seed, lap])
        columns = [rng.permutation(num_tasks // self._period) for _ in range(self._period)]
        return (np.stack(columns, axis=1) * self._period + np.arange(self._period)).ravel()


@dataclass(frozen=True, slots=True)
class EvaluationTasks:
    """The fixed evaluation tasks: always the same seeds in the same order, one episode each."""

    first_task: int
    num_tasks: int
    sampling: SamplingSettings

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Read what is tested on, and how its tokens are drawn."""
        sampling = settings.inference.eval_sampling
        return cls(
            settings.tasks.first_test_task,
            settings.tasks.num_test_tasks,
            SamplingSettings(
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                top_k=sampling.top_k,
                max_tokens=settings.model.max_response_tokens,
            ),
        )

    def draw(self, num_groups: int, lost: Sequence[GroupTask]) -> Sequence[GroupTask]:
        """All tasks; when some were lost, exactly those again, so that none is left out."""
        return lost or [
            GroupTask(f"test-{index}", self.first_task + index, 1, self.sampling, is_training=False)
            for index in range(self.num_tasks)
        ]

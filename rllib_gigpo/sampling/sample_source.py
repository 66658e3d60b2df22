"""What an iteration asks for groups of episodes: the seam between sampling and training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import SampleResult
from rllib_gigpo.sampling.task_streams import TaskStream


class SampleSource(ABC):
    """Gives batches of whole groups, one for each iteration."""

    @abstractmethod
    def sample(self, num_groups: int, *, weight_version: int) -> SampleResult:
        """Take the next batch.

        Args:
            num_groups: Groups of the batch.
            weight_version: The policy version that the Learners have just handed out.

        Raises:
            RolloutError: The batch cannot be filled.
            WeightSyncError: An EnvRunner holds other weights.
        """

    @abstractmethod
    def get_state(self) -> dict[str, Any]:
        """What is needed to go on from here."""

    @abstractmethod
    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where ``get_state`` was taken."""


class Sampler(Protocol):
    """A `GroupSampler` or a `DynamicSampler`."""

    def sample(
        self,
        draw: Callable[[int, Sequence[GroupTask]], Sequence[GroupTask]],
        num_groups: int,
        *,
        weight_version: int,
    ) -> SampleResult:
        """Sample ``num_groups`` groups of the tasks that ``draw`` gives."""


class SyncSource(SampleSource):
    """Plays a batch when it is asked for, with the newest weights."""

    def __init__(self, tasks: TaskStream, sampler: Sampler) -> None:
        """Take tasks from a stream, and let a sampler have them played."""
        self._tasks = tasks
        self._sampler = sampler

    def sample(self, num_groups: int, *, weight_version: int) -> SampleResult:
        """Play until the batch is full, see the base class."""
        return self._sampler.sample(self._tasks.draw, num_groups, weight_version=weight_version)

    def get_state(self) -> dict[str, Any]:
        """The position in the stream of tasks, see the base class."""
        return self._tasks.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        """Move in the stream of tasks, see the base class."""
        self._tasks.set_state(state)

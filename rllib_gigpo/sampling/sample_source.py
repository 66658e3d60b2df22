"""The source of each iteration's batch: the interface between sampling and training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from rllib_gigpo.batch.sample_result import SampleResult
from rllib_gigpo.sampling.group_sampler import GroupSampler
from rllib_gigpo.sampling.training_tasks import TaskStream


class SampleSource(ABC):
    """A source of batches of whole groups, one per iteration."""

    @abstractmethod
    def sample(self, num_groups: int, *, weight_version: int) -> SampleResult:
        """Return the next batch.

        Args:
            num_groups: Number of groups in the batch.
            weight_version: The policy version of the newest weights.

        Raises:
            RolloutError: The batch cannot be filled.
            WeightSyncError: An EnvRunner has other weights.
        """

    def take_warnings(self) -> dict[str, str]:
        """Return warnings of lost groups, by kind; each kind is warned of once."""
        return {}

    def metrics(self) -> dict[str, float]:
        """Return metrics of the source itself."""
        return {}

    def stop(self) -> None:  # noqa: B027 - most sources hold nothing
        """Free what the source holds."""

    @abstractmethod
    def get_state(self) -> dict[str, Any]:
        """Return the state to continue from."""

    @abstractmethod
    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from the state that ``get_state`` returned."""


class SyncSource(SampleSource):
    """A source that plays each batch on request, with the newest weights."""

    def __init__(self, tasks: TaskStream, sampler: GroupSampler) -> None:
        """Take tasks from a stream and play them with a sampler."""
        self._tasks = tasks
        self._sampler = sampler

    def sample(self, num_groups: int, *, weight_version: int) -> SampleResult:
        """Play until the batch is full."""
        return self._sampler.sample(
            self._tasks.draw,
            num_groups,
            weight_version=weight_version,
            give_back=self._tasks.give_back,
        )

    def take_warnings(self) -> dict[str, str]:
        """Return the sampler's warnings."""
        return self._sampler.take_warnings()

    def get_state(self) -> dict[str, Any]:
        """Return the position in the stream of tasks."""
        return self._tasks.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        """Set the position in the stream of tasks."""
        self._tasks.set_state(state)

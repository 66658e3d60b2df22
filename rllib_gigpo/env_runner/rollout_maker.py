"""Who makes the rollouts of an EnvRunner: with environments, or with agent programs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import SampleResult
from rllib_gigpo.env_runner.rollout import RolloutSettings
from rllib_gigpo.env_runner.runner_callbacks import RunnerCallbacks
from rllib_gigpo.rl_modules.engine_module import EngineModule


class PlaysGroups(Protocol):
    """The public methods of `Rollout`."""

    is_stalled: bool

    def start(self, tasks: Sequence[GroupTask]) -> None:
        """Add groups to play."""

    def advance(self) -> None:
        """Advance every episode that can move, and the engine by one step."""

    def drop(self, group_ids: Sequence[int | str]) -> None:
        """End groups without a result; ids that are not played are ignored."""

    def take_result(self) -> SampleResult:
        """Return the groups that finished or were lost since the last call."""

    @property
    def num_left(self) -> dict[int | str, int]:
        """Number of unfinished episodes of each group."""

    @property
    def is_done(self) -> bool:
        """Whether no group is left to play."""


class RolloutMaker(ABC):
    """Maker of rollouts, which holds what they share: environments, or an endpoint."""

    @property
    @abstractmethod
    def runs_beside_engine(self) -> bool:
        """Whether episodes use CPUs at the same time as the engine."""

    @abstractmethod
    def make(
        self,
        module: EngineModule,
        settings: RolloutSettings,
        callbacks: Mapping[bool, RunnerCallbacks],
    ) -> PlaysGroups:
        """Return a new rollout.

        Args:
            module: The engine's RLModule.
            settings: The settings of all episodes.
            callbacks: The user's hooks, by whether an episode is for training.
        """

    @abstractmethod
    def close(self) -> None:
        """Close what the rollouts share; `make` opens it again."""

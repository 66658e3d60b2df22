"""A group under way: its episodes, and which of them fork."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np

from rllib_gigpo import columns
from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.step_record import StepRecord, step_records
from rllib_gigpo.env_runner.episodes.episode_recorder import EpisodeRecorder
from rllib_gigpo.env_runner.episodes.episode_run import EpisodeRun
from rllib_gigpo.env_runner.episodes.replay import Replay
from rllib_gigpo.env_runner.episodes.shown_value import as_text, short
from rllib_gigpo.env_runner.pools.env_slots import EnvEvent
from rllib_gigpo.errors import ConfigError, EngineError
from rllib_gigpo.group_plans.group_plan import ChosenStep, Fork, GroupPlan


class PlayedGroup:
    """The episodes of one task, begun by a plan.

    Attributes:
        task: The task.
        runs: The episodes begun so far, by member.
    """

    def __init__(self, task: GroupTask, plan: GroupPlan, *, seed: int | None) -> None:
        """Make the group without an episode.

        Args:
            task: The task.
            plan: Which episodes fork.
            seed: The seed of the run, which, with the group's id, determines the forks.
        """
        self.task = task
        self.runs: list[EpisodeRun] = []
        self._plan = plan
        self._rng = np.random.default_rng(
            None if seed is None else [seed, zlib.crc32(str(task.group_id).encode())]
        )
        self._first_start: Any = None

    @property
    def num_left(self) -> int:
        """Number of episodes that have begun and not ended."""
        return sum(not run.episode.is_done for run in self.runs)

    @property
    def is_over(self) -> bool:
        """Whether all episodes of the group have ended."""
        return len(self.runs) == self.task.group_size and not self.num_left

    def next_runs(self) -> list[EpisodeRun]:
        """Begin more episodes, if all begun ones have ended: first the starts, then the forks."""
        num_unbegun = self.task.group_size - len(self.runs)
        if num_unbegun == 0 or self.num_left:
            return []
        origins: list[Fork | None]
        if self.runs:
            origins = self._next_forks(num_unbegun) or [None] * num_unbegun  # nowhere to fork
        else:
            origins = [None] * self._plan.num_starts(self.task.group_size)
        first = len(self.runs)
        begun = [self._make_run(member, fork) for member, fork in enumerate(origins, start=first)]
        self.runs += begun
        return begun

    def _next_forks(self, num_unbegun: int) -> list[Fork | None]:
        """Ask the plan.

        Raises:
            ConfigError: A custom plan forks where no episode has chosen, or at a first step.
        """
        steps = list(self._chosen_steps())
        forks = self._plan.next_forks(steps, self.task.group_size, self._rng)[:num_unbegun]
        possible = {step.fork for step in steps if step.step > 0}
        for fork in forks:
            if fork not in possible:
                raise ConfigError(
                    f"group_plan={self._plan.name!r} returned {fork}, which is not a step after the"
                    " first that an episode chose; return the `fork` of the given steps"
                )
        return [*forks]

    def _make_run(self, member: int, fork: Fork | None) -> EpisodeRun:
        recorder = EpisodeRecorder(self.task, member)
        if fork is None:
            return EpisodeRun(self.task, member, recorder)
        source = self.runs[fork.member].episode
        recorder.fork_off(source, fork)
        return EpisodeRun(self.task, member, recorder, Replay(fork, source))

    def _chosen_steps(self) -> Iterator[ChosenStep]:
        for run in self.runs:
            tree = run.episode.custom_data[columns.TREE]
            for step, record in enumerate(step_records([run.episode])):
                if not record.is_replayed:
                    state: Hashable = (record.role, record.anchor)
                    yield ChosenStep(run.member, step, tree, state, self._mean_entropy(record))

    def _mean_entropy(self, record: StepRecord) -> float | None:
        if not self._plan.needs_entropy:
            return None
        if not record.response_token_ids:
            return 0.0
        if record.uncertainty is None:
            raise EngineError(
                f"group_plan={self._plan.name!r} needs the entropy of every token, but the engine's"
                " answers have none: fill Generation.uncertainty of requests that are"
                " with_uncertainty, or set another plan."
            )
        return float(record.uncertainty.entropy.mean())

    def begin_fault(self, event: EnvEvent) -> tuple[str, str] | None:
        """Check that the members start alike; otherwise they cannot be compared."""
        info = event.info or {}
        start = (info.get("task"), as_text(event.observation), info.get("role"))
        self._first_start = first = self._first_start or start
        if first == start:
            return None
        return (
            "not_deterministic",
            f"reset(seed={self.task.seed}) gave two different starts: {short(repr(first))} and"
            f" {short(repr(start))}. reset() must depend only on its seed: draw from a generator"
            " that it seeds, and run `rllib check-env`",
        )

"""A group under way: its episodes, and which of them fork."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np

from rllib_gigpo import columns
from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.step_record import StepRecord, step_records
from rllib_gigpo.env_runner.env_slots import EnvEvent
from rllib_gigpo.env_runner.episodes.episode_recorder import EpisodeRecorder
from rllib_gigpo.env_runner.episodes.episode_run import EpisodeRun, Replay
from rllib_gigpo.env_runner.episodes.shown_value import short, shown
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
        """Number of episodes that have not ended, begun or not."""
        return self.task.group_size - sum(run.episode.is_done for run in self.runs)

    def next_runs(self) -> list[EpisodeRun]:
        """Begin more episodes, if all begun ones have ended: first the starts, then the forks."""
        num_unbegun = self.task.group_size - len(self.runs)
        if num_unbegun == 0 or not all(run.episode.is_done for run in self.runs):
            return []
        forks = list[Fork | None]()
        if self.runs:
            steps = list(self._chosen_steps())
            forks += self._plan.next_forks(steps, self.task.group_size, self._rng)[:num_unbegun]
        else:
            forks += [None] * self._plan.num_starts(self.task.group_size)
        forks = forks or [None] * num_unbegun  # nowhere to fork
        first = len(self.runs)
        begun = [self._run(member, fork) for member, fork in enumerate(forks, start=first)]
        self.runs += begun
        return begun

    def _run(self, member: int, fork: Fork | None) -> EpisodeRun:
        recorder = EpisodeRecorder(self.task, member)
        if fork is None:
            return EpisodeRun(self.task, member, recorder)
        source = self.runs[fork.member].episode
        recorder.fork_off(source, fork)
        return EpisodeRun(self.task, member, recorder, Replay(fork, source))

    def _chosen_steps(self) -> Iterator[ChosenStep]:
        for run in self.runs:
            tree = run.episode.custom_data.get(columns.TREE, run.member)
            for step, record in enumerate(step_records([run.episode])):
                if not record.is_replayed:
                    state: Hashable = (record.role, record.anchor)
                    yield ChosenStep(run.member, step, tree, state, _mean_entropy(record))

    def begin_fault(self, event: EnvEvent) -> tuple[str, str] | None:
        """Check that the members start alike; otherwise they cannot be compared."""
        info = event.info or {}
        start = (info.get("task"), shown(event.observation), info.get("role"))
        self._first_start = first = self._first_start or start
        if first == start:
            return None
        return (
            "not_deterministic",
            f"reset(seed={self.task.seed}) gave two different starts: {short(repr(first))} and"
            f" {short(repr(start))}. reset() must depend only on its seed: draw from a generator"
            " that it seeds, and run rllib_gigpo.envs.check_env",
        )


def _mean_entropy(record: StepRecord) -> float | None:
    if record.uncertainty is None or not record.response_token_ids:
        return None
    return float(record.uncertainty.entropy.mean())

"""The result of a rollout, which EnvRunners return to the Algorithm."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rllib_gigpo.batch.group_task import GroupTask

if TYPE_CHECKING:
    from ray.rllib.env.single_agent_episode import SingleAgentEpisode


@dataclass(frozen=True, slots=True)
class FinishedGroup:
    """All episodes of one task."""

    task: GroupTask
    episodes: list[SingleAgentEpisode]  # by member


@dataclass(frozen=True, slots=True)
class LostGroup:
    """A group that a fault ended; its episodes are dropped.

    Kinds of faults in environments:

    - reset, step: The call raised, or did not return the parts of Gymnasium's API.
    - observation, reward, flags, info, anchor, pickle: This part breaks the contract (pickle: it
      cannot travel to another process).
    - not_deterministic: Members of the group started differently, or a step that a fork repeated
      was answered differently.
    - timeout: A call did not return in time.
    - no_room: The environment could not be made, because there was no room for a single one.
    - worker: The environment's process died.
    - program: An agent's own program failed, or made no call.

    Kinds in EnvRunners: runner (it died, or did not answer in time), engine and weights.
    """

    task: GroupTask
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class RolloutStats:
    """The output of a rollout and the time it took."""

    num_prompt_tokens: int = 0
    num_cached_tokens: int = 0  # of the prompts, taken from the engine's prefix cache
    num_response_tokens: int = 0
    num_steps: int = 0  # with an answer of the engine
    num_refused_calls: int = 0  # of agent programs
    seconds: float = 0.0  # wall clock, summed over polls
    engine_s: float = 0.0  # inside the engine's poll
    env_s: float = 0.0  # inside environments, summed over all of them
    idle_s: float = 0.0  # in which EnvRunners did not play, summed over all of them

    def __add__(self, other: RolloutStats) -> RolloutStats:
        """Add up both."""
        return RolloutStats(
            num_prompt_tokens=self.num_prompt_tokens + other.num_prompt_tokens,
            num_cached_tokens=self.num_cached_tokens + other.num_cached_tokens,
            num_response_tokens=self.num_response_tokens + other.num_response_tokens,
            num_steps=self.num_steps + other.num_steps,
            num_refused_calls=self.num_refused_calls + other.num_refused_calls,
            seconds=self.seconds + other.seconds,
            engine_s=self.engine_s + other.engine_s,
            env_s=self.env_s + other.env_s,
            idle_s=self.idle_s + other.idle_s,
        )


@dataclass(frozen=True, slots=True)
class SampleResult:
    """What an EnvRunner or a whole sampling phase played."""

    groups: list[FinishedGroup] = field(default_factory=list)
    filtered: list[FinishedGroup] = field(default_factory=list)  # played but not in the batch
    lost: list[LostGroup] = field(default_factory=list)
    moved: list[LostGroup] = field(default_factory=list)  # played again by another EnvRunner
    stale: list[FinishedGroup] = field(default_factory=list)  # too old for the batch
    stats: RolloutStats = field(default_factory=RolloutStats)

    @property
    def episodes(self) -> list[SingleAgentEpisode]:
        """All episodes, group by group."""
        return [episode for group in self.groups for episode in group.episodes]

    @property
    def ended(self) -> list[GroupTask]:
        """The tasks of all groups that finished or were lost."""
        return [one.task for one in self.groups] + [one.task for one in self.lost]

    def split(self, group_ids: Container[int | str]) -> tuple[SampleResult, SampleResult]:
        """Return the part with these groups, which keeps the statistics, and the rest."""
        parts = []
        for is_in in (True, False):
            parts.append(
                SampleResult(
                    groups=[
                        one for one in self.groups if (one.task.group_id in group_ids) == is_in
                    ],
                    lost=[one for one in self.lost if (one.task.group_id in group_ids) == is_in],
                    stats=self.stats if is_in else RolloutStats(),
                )
            )
        return parts[0], parts[1]

    def __add__(self, other: SampleResult) -> SampleResult:
        """Merge both."""
        return SampleResult(
            groups=self.groups + other.groups,
            filtered=self.filtered + other.filtered,
            lost=self.lost + other.lost,
            moved=self.moved + other.moved,
            stale=self.stale + other.stale,
            stats=self.stats + other.stats,
        )

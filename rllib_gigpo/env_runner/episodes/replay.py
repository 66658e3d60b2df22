"""The start of an episode that a fork repeats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import StepRecord
from rllib_gigpo.env_runner.episodes.shown_value import as_text, short
from rllib_gigpo.env_runner.pools.env_slots import EnvEvent
from rllib_gigpo.envs.contract import ADMISSIBLE_ACTIONS, ANCHOR, ROLE
from rllib_gigpo.group_plans.group_plan import Fork

# What of an info credit and prompts read, besides the task.
_COMPARED = (ANCHOR, ROLE, ADMISSIBLE_ACTIONS)


@dataclass(frozen=True, slots=True)
class Replay:
    """The start of an episode that a fork repeats.

    Attributes:
        fork: Where the fork leaves the episode.
        episode: The whole episode, which has ended.
    """

    fork: Fork
    episode: SingleAgentEpisode

    def covers(self, step: int) -> bool:
        """Return whether the fork repeats this step, counted from 0."""
        return step < self.fork.step

    def action(self, step: int) -> Any:
        """Return what the environment got; None for an answer without an action."""
        return self.episode.get_actions(step)

    def observation(self, step: int) -> Any:
        """Return what the agent saw before the step, as the source keeps it."""
        return self.episode.get_observations(step)

    def record(self, step: int) -> StepRecord:
        """Return the record of the step."""
        record: StepRecord = self.episode.get_extra_model_outputs(columns.STEP_RECORD, step)
        return record

    def fault(self, step: int, event: EnvEvent) -> tuple[str, str] | None:
        """Check that the environment answers the repeated step as it did before."""
        before, now = self.episode.get_infos(step + 1), event.info or {}
        observation, reward = self.observation(step + 1), self.episode.get_rewards(step)
        first = (as_text(observation), float(reward), *map(before.get, _COMPARED))
        second = (as_text(event.observation), float(event.reward), *map(now.get, _COMPARED))
        ended = event.terminated or event.truncated
        if first == second and not ended:
            return None
        return (
            "not_deterministic",
            f"the same actions as before led to {'an end' if ended else short(repr(second))}"
            f" instead of {short(repr(first))}, so group_plan cannot return to a state. What an"
            " episode does must depend only on the seed of its reset() and on its actions: run"
            " `rllib check-env`",
        )

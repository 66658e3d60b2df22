"""Records an episode and its steps while it is played."""

from __future__ import annotations

import dataclasses
from typing import Any

from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from rllib_gigpo import columns
from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.step_record import StepRecord
from rllib_gigpo.batch.sub_goal_step import SubGoalStep
from rllib_gigpo.engines.inference_engine import Generation
from rllib_gigpo.env_runner.episodes.replay import Replay
from rllib_gigpo.env_runner.pools.env_slots import EnvEvent
from rllib_gigpo.group_plans.group_plan import Fork
from rllib_gigpo.prompting.action_parser import ParsedAction
from rllib_gigpo.prompting.prompt_record import Prompt


class EpisodeRecorder:
    """The recorder of one episode of a group.

    Attributes:
        episode: RLlib's episode, with the records under `columns.STEP_RECORD`.
        prompt: The prompt of the current step; None before the first.
    """

    def __init__(self, task: GroupTask, member: int) -> None:
        """Start an episode that is not yet reset."""
        self.episode = SingleAgentEpisode(id_=f"{task.group_id}-{member}")
        self.episode.custom_data[columns.TASK] = task.seed
        self.episode.custom_data[columns.GROUP_ID] = task.group_id
        self.episode.custom_data[columns.MEMBER] = member
        self.episode.custom_data[columns.TREE] = member
        self.prompt: Prompt | None = None
        self._observation_text = ""
        self._answer: dict[str, Any] = {}
        self._action: Any = None

    def fork_off(self, source: SingleAgentEpisode, fork: Fork) -> None:
        """Note where the episode leaves another one, which fork after fork leads to its tree."""
        data = self.episode.custom_data
        data[columns.FORK] = (fork.member, fork.step)
        data[columns.TREE] = source.custom_data[columns.TREE]

    def add_reset(self, event: EnvEvent) -> None:
        """Record the first observation."""
        self.episode.add_env_reset(event.observation, event.info)

    def add_prompt(self, prompt: Prompt, observation_text: str) -> None:
        """Record the agent's prompt."""
        self.prompt = prompt
        self._observation_text = observation_text

    def add_answer(
        self,
        generation: Generation,
        *,
        text: str,
        parsed: ParsedAction,
        action: Any,
        sub_goal: SubGoalStep | None = None,
    ) -> None:
        """Record the agent's answer, and its action in the environment's space."""
        self._action = action
        self._answer = {
            "response_token_ids": generation.token_ids,
            "rollout_logp": generation.logp,
            "token_versions": generation.token_versions,
            "uncertainty": generation.uncertainty,
            "finish_reason": generation.finish_reason,
            "response_text": text,
            "action_text": parsed.action,
            "is_format_valid": parsed.is_format_valid,
            "is_admissible": parsed.is_admissible,
            "sub_goal": sub_goal,
        }

    def add_step(self, event: EnvEvent, *, is_last: bool) -> None:
        """Record the environment's answer; ``is_last``: no more steps are allowed."""
        episode, prompt = self.episode, self.prompt
        assert prompt is not None
        before = episode.get_infos(-1)
        record = StepRecord(
            prompt_token_ids=prompt.token_ids,
            prompt_text=prompt.text,
            is_prompt_cut=prompt.is_cut,
            num_dropped_turns=prompt.num_dropped_history,
            num_message_tokens=prompt.num_message_tokens,
            images=prompt.images,
            reward=float(event.reward),
            anchor=before.get("anchor", self._observation_text),
            role=before.get("role", ""),
            **self._answer,
        )
        episode.add_env_step(
            observation=event.observation,
            action=self._action,
            reward=event.reward,
            infos=event.info,
            terminated=event.terminated,
            truncated=event.truncated or (is_last and not event.terminated),
            extra_model_outputs={columns.STEP_RECORD: record},
        )

    def add_repeated_step(self, event: EnvEvent, replay: Replay) -> None:
        """Record a step of another episode that the environment has repeated."""
        step = len(self.episode)
        self.episode.add_env_step(
            observation=replay.observation(step + 1),  # equal, and the source's images are kept
            action=replay.action(step),
            reward=event.reward,
            infos=event.info,
            extra_model_outputs={
                columns.STEP_RECORD: dataclasses.replace(replay.record(step), is_replayed=True)
            },
        )

    def unchanged(self, slot: int) -> EnvEvent:
        """Return an environment's answer to an action that does not change the state."""
        info = {**self.episode.get_infos(-1)}
        info.pop("role_rewards", None)  # paid already
        return EnvEvent(slot=slot, observation=self.episode.get_observations(-1), info=info)

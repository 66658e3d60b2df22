"""The record of one step of an episode, from the prompt to the reward."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rllib_gigpo import columns
from rllib_gigpo.batch.sub_goal_step import SubGoalStep
from rllib_gigpo.batch.token_uncertainty import TokenUncertainty
from rllib_gigpo.media.image import PlacedImage


@dataclass(frozen=True, slots=True, eq=False)
class StepRecord:
    """One step (turn): P prompt tokens, L response tokens, one action, one reward.

    An episode keeps its records under `columns.STEP_RECORD` of its extra model outputs.
    """

    prompt_token_ids: Sequence[int]  # (P,)
    prompt_text: str
    is_prompt_cut: bool  # whether anything was left out of the prompt
    response_token_ids: Sequence[int]  # (L,)
    rollout_logp: np.ndarray  # (L,) float32, under the distribution that was sampled from
    token_versions: np.ndarray  # (L,) int64, the policy version that sampled each token
    finish_reason: str  # "stop", "length" or "abort"
    response_text: str
    action_text: str  # the action that the parser found
    is_format_valid: bool
    is_admissible: bool
    reward: float  # from the environment
    anchor: Hashable  # the state before the action: info["anchor"], or the observation's text
    images: tuple[PlacedImage, ...] = ()  # those of the prompt
    num_dropped_turns: int = 0  # turns that the prompt leaves out although it should show them
    num_message_tokens: int = 0  # new ones at the end of the prompt; 0 outside of conversations
    role: str = ""  # who acted: info["role"]; empty in an environment with one agent
    uncertainty: TokenUncertainty | None = None  # of the L tokens; None unless asked for
    sub_goal: SubGoalStep | None = None  # only in runs with sub-goals
    is_replayed: bool = False  # whether a fork repeated the step of another episode

    @property
    def policy_version(self) -> int:
        """The oldest policy version that sampled one of the tokens; -1 without tokens."""
        return int(self.token_versions.min()) if len(self.token_versions) else -1

    @property
    def is_response_cut(self) -> bool:
        """Whether the token limit ended the answer."""
        return self.finish_reason == "length"


def step_records(episodes: Iterable[Any]) -> list[StepRecord]:
    """List the records of whole episodes, R steps in all, episode after episode."""
    return [
        record
        for episode in episodes
        for record in episode.get_extra_model_outputs(columns.STEP_RECORD)
    ]

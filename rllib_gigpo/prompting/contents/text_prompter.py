"""Renders the prompts of one episode as plain text, for players without a chat template of ours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from rllib_gigpo.envs.contract import ADMISSIBLE_ACTIONS, ROLE, TASK
from rllib_gigpo.prompting.memory import PastStep, RecallsSteps
from rllib_gigpo.prompting.template import PromptInputs, PromptTemplate


class TextPrompter:
    """The prompts of one episode: what a user message of the agent says at each turn."""

    def __init__(
        self,
        template: PromptTemplate,
        memory: RecallsSteps,
        *,
        action_tag: str | None = "action",
        think_tag: str | None = "think",
    ) -> None:
        """Start before the first turn."""
        self._template, self._memory = template, memory
        self._tags = {"action_tag": action_tag, "think_tag": think_tag}
        self._past = defaultdict[str, list[PastStep]](list)  # of each role

    def render(self, observation: str, info: Mapping[str, Any]) -> str:
        """Return the prompt of this turn."""
        past = self._past[info.get(ROLE, "")]
        inputs = PromptInputs(
            observation=observation,
            task=str(info.get(TASK, "")),
            admissible_actions=tuple(info.get(ADMISSIBLE_ACTIONS) or ()),
            history=tuple(self._memory.recall(past)),
            step=len(past) + 1,
        )
        return self._template.render(inputs, **self._tags)

    def note(self, observation: str, action: str, *, role: str = "") -> None:
        """Remember a finished turn, of ``role`` if there are several."""
        past = self._past[role]
        past.append(PastStep(step=len(past) + 1, observation=observation, action=action))

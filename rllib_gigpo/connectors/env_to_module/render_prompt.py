"""History -> prompt: template, chat template and token ids, within the token limit."""

from __future__ import annotations

from typing import Any

from jinja2.exceptions import SecurityError
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.batch.role_turns import own_turns, sub_goal_before
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.memory import PastStep
from rllib_gigpo.prompting.prompt_record import Prompt
from rllib_gigpo.prompting.renderer import PromptRenderer
from rllib_gigpo.prompting.template import PromptInputs
from rllib_gigpo.prompting.tool_calls.tool_results import ToolResults


class RenderPrompt(ConnectorV2):
    """Connector that reads OBSERVATION_TEXT and HISTORY, and writes PROMPTS.

    If the shared data has a dict OBSERVATION_FAULTS, facts of which a template makes no prompt are
    noted there, and the prompt is empty: they cost one group, not the batch.
    """

    def __init__(self, renderer: PromptRenderer, **kwargs: Any) -> None:
        """Store the renderer."""
        super().__init__(**kwargs)
        self._renderer = renderer

    def __call__(
        self,
        *,
        batch: dict[str, Any],
        episodes: list[Any],
        shared_data: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Render one prompt per episode."""
        faults = (shared_data or {}).get(columns.OBSERVATION_FAULTS)
        observations = batch[columns.OBSERVATION_TEXT]
        histories = batch.get(columns.HISTORY, [()] * len(episodes))
        batch[columns.PROMPTS] = [
            self._prompt(*facts, faults)
            for facts in zip(episodes, observations, histories, strict=True)
        ]
        return batch

    def _prompt(
        self, episode: Any, observation: str, history: Any, faults: dict[str, str] | None
    ) -> Prompt:
        try:
            return self._render(
                episode, prompt_inputs(episode, observation, history=tuple(history))
            )
        except ConfigError as error:
            if faults is None or isinstance(error.__cause__, SecurityError):
                raise
            faults.setdefault(episode.id_, str(error))
            return Prompt(token_ids=[], text="")

    def _render(self, episode: Any, inputs: PromptInputs) -> Prompt:
        return self._renderer.render(inputs)


def prompt_inputs(
    episode: Any, observation: str, *, history: tuple[PastStep, ...] = (), step: int = -1
) -> PromptInputs:
    """Return the facts of a turn, as the role that acts sees them.

    Args:
        episode: The episode.
        observation: The text of the turn's observation.
        history: The past steps to show.
        step: Index of the turn; -1 for the one that waits for an answer.
    """
    info, turns = episode.get_infos(step), own_turns(episode)
    first = episode.get_infos(turns[0]) if turns else info
    return PromptInputs(
        observation=observation,
        # An environment may give the task only at the first turn.
        task=info.get("task") or first.get("task", ""),
        admissible_actions=tuple(info.get("admissible_actions", ())),
        history=history,
        step=1 + (len(turns) if step == -1 else turns.index(step)),
        sub_goal=sub_goal_before(episode, step),
        results=ToolResults.of_info(info),
    )

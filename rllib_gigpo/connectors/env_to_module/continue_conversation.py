"""Finished turns -> prompt: the chat so far, the answer's own token ids, and a new message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rllib_gigpo.batch.role_turns import own_turns
from rllib_gigpo.batch.step_record import StepRecord, step_records
from rllib_gigpo.connectors.env_to_module.render_prompt import RenderPrompt, prompt_inputs
from rllib_gigpo.prompting.contents.text_reader import text_reader
from rllib_gigpo.prompting.conversation import ConversationRenderer
from rllib_gigpo.prompting.prompt_record import ChatTurn, Prompt
from rllib_gigpo.prompting.template import PromptInputs


class ContinueConversation(RenderPrompt):
    """Connector that reads OBSERVATION_TEXT and the records of finished turns, and writes PROMPTS.

    It keeps no state: the chat so far is the last record's prompt and answer. Each role has a
    conversation, made of its own turns.
    """

    def __init__(
        self,
        renderer: ConversationRenderer,
        observation_to_text: Callable[[Any], str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        """Store the renderer, and how observations become text; see `ObservationToText`."""
        super().__init__(renderer, **kwargs)
        self._chat = renderer
        self._to_text = text_reader(observation_to_text)

    def _render(self, episode: Any, inputs: PromptInputs) -> Prompt:
        own = own_turns(episode)
        if not own:
            return self._chat.render(inputs)
        records = step_records([episode])
        turns = [_as_turn(records[step]) for step in own]

        def inputs_of(turn: int) -> PromptInputs:
            text = self._to_text(episode.get_observations(own[turn]))
            return prompt_inputs(episode, text, step=own[turn])

        return self._chat.extend(turns, inputs, inputs_of)


def _as_turn(record: StepRecord) -> ChatTurn:
    prompt = Prompt(
        token_ids=record.prompt_token_ids,
        text=record.prompt_text,
        num_dropped_history=record.num_dropped_turns,
        num_message_tokens=record.num_message_tokens,
        images=record.images,
    )
    return ChatTurn(prompt, record.response_token_ids)

"""Conversations in which the results of tools are messages of the role tool."""

from __future__ import annotations

import logging
from typing import Any

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.chat_format import ChatFormat
from rllib_gigpo.prompting.contents.message_encoder import MessageEncoder
from rllib_gigpo.prompting.conversation import ConversationRenderer
from rllib_gigpo.prompting.prompt_record import Prompt
from rllib_gigpo.prompting.template import PromptInputs, PromptTemplate
from rllib_gigpo.prompting.text_encoder import mark
from rllib_gigpo.prompting.tool_calls.tool_results import ToolResults, takes_results
from rllib_gigpo.prompting.tool_calls.tool_use import later_kwargs

logger = logging.getLogger(__name__)


class ToolConversationRenderer(ConversationRenderer):
    """Renderer of chats with tools.

    What an environment says without a tool, such as what was wrong with an answer, is a user
    message. So are results if the chat template takes no messages of the role tool.
    """

    def __init__(self, tokenizer: Any, template: PromptTemplate, **kwargs: Any) -> None:
        """Find out how the chat template shows results; see `ConversationRenderer`."""
        super().__init__(tokenizer, template, **kwargs)
        self._result_encoder = MessageEncoder(tokenizer)
        self._has_tool_role = takes_results(self._continuation, tokenizer)
        if not self._has_tool_role:
            logger.warning(
                "The tokenizer's chat template takes no messages of the role tool, so results of"
                " tools are user messages."
            )

    def _encode_message(self, inputs: PromptInputs) -> Prompt:
        results = inputs.results
        if not (results and self._has_tool_role):
            return super()._encode_message(inputs)
        text = self._results_text(results)
        ends = self._message_encoder.encode_ends(
            text, lambda: self._marked_results(results), more_than=self._half
        )
        if ends is not None:
            return Prompt(token_ids=ends, text=text)
        return self._result_encoder.encode(results.messages(), self._continuation.message)

    def _marked_results(self, results: ToolResults) -> str:
        try:
            return self._results_text(results.marked(mark))
        except ConfigError:  # the template takes results apart, and cannot take marks apart
            return ""

    def _results_text(self, results: ToolResults) -> str:
        return self._continuation.message(results.messages())

    def _continued_chat(self, **kwargs: Any) -> ChatFormat:
        """Leave the tools out if the template shows them again before the latest message."""
        given = dict(kwargs.get("chat_template_kwargs") or {})
        return ChatFormat(
            self._tokenizer,
            system_prompt=kwargs.get("system_prompt"),
            chat_template_kwargs=later_kwargs(self._chat, given),
            parts=self._contents.parts,
        )

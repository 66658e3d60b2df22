"""Tokens of an answer -> the message that the program gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rllib_gigpo.agent_programs.chat.chat_request import ChatRequest, Message
from rllib_gigpo.prompting.response_decoder import ResponseDecoder


class AnswerReader:
    """Reader of the model's answers."""

    def __init__(self, tokenizer: Any) -> None:
        """Prepare to decode.

        Args:
            tokenizer: The model's tokenizer.
        """
        self._decoder = ResponseDecoder(tokenizer)

    def text(self, token_ids: Sequence[int]) -> str:
        """Return the text of an answer.

        Args:
            token_ids: Its token ids.
        """
        return self._decoder.decode([token_ids])[0]

    def message(self, text: str, request: ChatRequest) -> tuple[Message, bool]:
        """Return the message, and whether its tool calls could be read.

        Args:
            text: The text of the answer.
            request: What it answers.
        """
        return {"role": "assistant", "content": text}, True

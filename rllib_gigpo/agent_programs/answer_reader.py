"""Tokens of an answer -> the message that the program gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rllib_gigpo.agent_programs.chat.chat_request import ChatRequest, Message
from rllib_gigpo.batch.token_uncertainty import TokenUncertainty
from rllib_gigpo.engines.inference_engine import Generation
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

    def cut(self, generation: Generation, stops: Sequence[str]) -> tuple[Generation, str]:
        """End an answer at the first stop text, as an engine would that knows the text.

        Args:
            generation: The answer.
            stops: The stop texts of the request.

        Returns:
            The answer up to the token that completes the stop text, and its text before that.
        """
        text = self.text(generation.token_ids)
        found = [text.find(stop) for stop in stops if stop in text]
        if not found:
            return generation, text
        num_tokens = self._tokens_to_stop(generation.token_ids, stops)
        return _first_tokens(generation, num_tokens), text[: min(found)]

    def _tokens_to_stop(self, token_ids: Sequence[int], stops: Sequence[str]) -> int:
        """Return the fewest tokens whose text holds a stop text."""
        fewest, most = 1, len(token_ids)
        while fewest < most:
            middle = (fewest + most) // 2
            text = self.text(token_ids[:middle])
            if any(stop in text for stop in stops):
                most = middle
            else:
                fewest = middle + 1
        return fewest

    def message(self, text: str, request: ChatRequest) -> tuple[Message, bool]:
        """Return the message, and whether its tool calls could be read.

        Args:
            text: The text of the answer.
            request: What it answers.
        """
        return {"role": "assistant", "content": text}, True


def _first_tokens(generation: Generation, num_tokens: int) -> Generation:
    uncertainty = generation.uncertainty
    if uncertainty is not None:
        uncertainty = TokenUncertainty(
            entropy=uncertainty.entropy[:num_tokens],
            top_logp=uncertainty.top_logp[:num_tokens],
            vocab_size=uncertainty.vocab_size,
        )
    return replace(
        generation,
        token_ids=generation.token_ids[:num_tokens],
        logp=generation.logp[:num_tokens],
        token_versions=generation.token_versions[:num_tokens],
        finish_reason="stop",
        uncertainty=uncertainty,
    )

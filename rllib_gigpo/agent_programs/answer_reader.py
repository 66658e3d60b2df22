"""Tokens of an answer -> the message that the program gets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rllib_gigpo.agent_programs.chat.chat_request import Message
from rllib_gigpo.batch.token_uncertainty import TokenUncertainty
from rllib_gigpo.engines.inference_engine import Generation
from rllib_gigpo.envs.common.clean_text import valid_text
from rllib_gigpo.prompting.response_decoder import ResponseDecoder
from rllib_gigpo.prompting.tool_calls import TOOL_CALL_FORMATS
from rllib_gigpo.prompting.tool_calls.tool_call_format import ToolCallFormat, typed_call


class AnswerReader:
    """Reader of the model's answers."""

    def __init__(
        self,
        tokenizer: Any,
        *,
        marks: Sequence[str] = (),
        think_tag: str | None = "think",
        opens_thought: bool = False,
    ) -> None:
        """Prepare to decode.

        Args:
            tokenizer: The model's tokenizer.
            marks: Texts of special tokens around tool calls, which stay.
            think_tag: Tag around thoughts, in which no tool is called; None for no thoughts.
            opens_thought: Whether prompts end within a thought; see `ActionParser`.
        """
        self._decoder = ResponseDecoder(tokenizer, marks=marks)
        self._think_end = f"</{think_tag}>" if think_tag else None
        self._opens_thought = opens_thought

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

    def message(
        self,
        text: str,
        tool_format: ToolCallFormat | None,
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        request_id: str,
    ) -> tuple[Message, bool]:
        """Return the message, and whether its tool calls could be read.

        Args:
            text: The text of the answer.
            tool_format: How the model writes calls; None if the request has no tools.
            tools: Schemas of the tools.
            request_id: The id of the call, which the ids of its tool calls derive from.
        """
        plain: Message = {"role": "assistant", "content": text}
        if tool_format is None:
            return plain, True
        thought, answer = self._split(text)
        found = tool_format.parse(answer)
        if not isinstance(found, list):
            return plain, found is None
        made = [typed_call(call, tools, tool_format) for call in found]
        calls = [
            {
                "id": valid_text(call.id) or _call_id(f"{request_id}-{index}"),
                "type": "function",
                "function": {"name": valid_text(call.name), "arguments": dict(call.arguments)},
            }
            for index, call in enumerate(made)
        ]
        content = (thought + _before(answer, tool_format.marks)).strip()
        return {"role": "assistant", "content": content, "tool_calls": calls}, True

    def _split(self, text: str) -> tuple[str, str]:
        """Split an answer after its thought."""
        if self._think_end is None or self._think_end not in text:
            return (text, "") if self._opens_thought else ("", text)
        thought, end, answer = text.rpartition(self._think_end)
        return thought + end, answer


def all_marks(setting: ToolCallFormat | str | None) -> tuple[str, ...]:
    """Return the marks around tool calls that answers may have.

    Args:
        setting: The setting ``prompting(tools=...)``.
    """
    if isinstance(setting, ToolCallFormat):
        return setting.marks
    if setting is None:
        return ()
    return tuple({mark for one in TOOL_CALL_FORMATS.known.values() for mark in one.marks})


def _before(answer: str, marks: Sequence[str]) -> str:
    """Return the text before the first call; empty for a format without marks."""
    places = [answer.find(mark) for mark in marks if mark in answer]
    return answer[: min(places)] if places else ""


def _call_id(name: str) -> str:
    """Return an id of nine letters and digits; Mistral's chat template takes no other."""
    return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()[:9]


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

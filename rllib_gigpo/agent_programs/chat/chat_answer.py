"""The answer to a chat-completion request, whole or as server-sent events."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rllib_gigpo.agent_programs.chat.chat_request import Message


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """The model's message.

    Attributes:
        request_id: The id of the call.
        model: The name that the program gave to the model.
        message: The message, as the program sends it back in its next call.
        finish_reason: "stop", "length" or "tool_calls".
        num_prompt_tokens: Tokens of the prompt.
        num_response_tokens: Tokens of the answer.
    """

    request_id: str
    model: str
    message: Message
    finish_reason: str
    num_prompt_tokens: int
    num_response_tokens: int

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body of a whole answer."""
        message = {**self._message, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        return {
            **self._frame("chat.completion"),
            "choices": [{**choice, "logprobs": None}],
            "usage": self._usage,
        }

    def events(self, *, with_usage: bool) -> Iterator[str]:
        """Yield the server-sent events of a streamed answer.

        The engine returns answers whole, so there is one event with all the text.

        Args:
            with_usage: Whether the last event tells the numbers of tokens.
        """
        delta = self._message
        for index, call in enumerate(delta.get("tool_calls", ())):
            call["index"] = index
        yield self._event([{"index": 0, "delta": delta, "finish_reason": None}])
        yield self._event([{"index": 0, "delta": {}, "finish_reason": self.finish_reason}])
        if with_usage:
            yield self._event([], usage=self._usage)
        yield "data: [DONE]\n\n"

    @property
    def _message(self) -> dict[str, Any]:
        """The message in OpenAI's form: arguments of tool calls are JSON text."""
        message = dict(self.message)
        if "tool_calls" in message:
            message["content"] = message["content"] or None
            message["tool_calls"] = [
                {
                    **call,
                    "function": {
                        "name": call["function"]["name"],
                        "arguments": json.dumps(call["function"]["arguments"]),
                    },
                }
                for call in message["tool_calls"]
            ]
        return message

    @property
    def _usage(self) -> dict[str, int]:
        return {
            "prompt_tokens": self.num_prompt_tokens,
            "completion_tokens": self.num_response_tokens,
            "total_tokens": self.num_prompt_tokens + self.num_response_tokens,
        }

    def _frame(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.request_id}",
            "object": kind,
            "created": int(time.time()),
            "model": self.model,
        }

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> str:
        chunk = {**self._frame("chat.completion.chunk"), "choices": choices, **more}
        return f"data: {json.dumps(chunk)}\n\n"

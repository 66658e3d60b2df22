"""Messages -> prompts: a new chat is rendered whole, one that goes on is only appended to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rllib_gigpo.agent_programs.chat.chat_error import ChatError
from rllib_gigpo.agent_programs.chat.chat_request import Message
from rllib_gigpo.envs.tools.call_text import ToolCall
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.chat_continuation import ChatContinuation
from rllib_gigpo.prompting.chat_format import ChatFormat
from rllib_gigpo.prompting.contents.message_encoder import MessageEncoder
from rllib_gigpo.prompting.prompt_record import ChatTurn, Prompt
from rllib_gigpo.prompting.tool_calls import AUTO
from rllib_gigpo.prompting.tool_calls.tool_call_format import ToolCallFormat
from rllib_gigpo.prompting.tool_calls.tool_results import takes_results
from rllib_gigpo.prompting.tool_calls.tool_use import find_tool_use, later_kwargs

_MAX_CHATS = 64  # sets of tools whose chats are kept


class ChatPrompts:
    """The prompts of chats under one model's chat template.

    Texts in messages stay text, even if they spell a control token; see `MessageEncoder`.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        chat_template_kwargs: Mapping[str, Any] | None,
        tools: ToolCallFormat | str | None = AUTO,
    ) -> None:
        """Check that the chat template can be continued.

        Args:
            tokenizer: A Hugging Face tokenizer with a chat template.
            chat_template_kwargs: Arguments of the chat template.
            tools: The setting ``prompting(tools=...)``.

        Raises:
            ConfigError: See `ChatFormat` and `ChatContinuation`.
        """
        self._tokenizer = tokenizer
        self._kwargs = dict(chat_template_kwargs or {})
        self._setting = tools
        self._encoder = MessageEncoder(tokenizer)
        self._chats: dict[str, ToolChat] = {}
        self._new_chat(())

    def open(self, messages: Sequence[Message], tools: Sequence[dict[str, Any]]) -> Prompt:
        """Return the prompt of a new chat.

        Args:
            messages: All its messages.
            tools: Schemas of its tools.

        Raises:
            ChatError: The chat template fails on them, or the model cannot be told of the tools.
        """
        chat = self.chat(tools)
        prompt = self._encoded(messages, chat.opening)
        return replace(prompt, num_message_tokens=len(prompt.token_ids))

    def extend(
        self, turn: ChatTurn, messages: Sequence[Message], tools: Sequence[dict[str, Any]]
    ) -> Prompt:
        """Return the prompt that continues a chat after an answer.

        Args:
            turn: The prompt and the answer before; their ids stay as they are.
            messages: The messages that follow the answer.
            tools: Schemas of its tools.

        Raises:
            ChatError: The chat template fails on them, or the model cannot be told of the tools.
        """
        chat = self.chat(tools)
        message = chat.after(turn.response_ids, self._encoded(messages, chat.following))
        answer = self._tokenizer.decode(turn.response_ids)
        return replace(
            message,
            token_ids=[*turn.prompt.token_ids, *turn.response_ids, *message.token_ids],
            text=turn.prompt.text + answer + message.text,
        )

    def chat(self, tools: Sequence[dict[str, Any]]) -> ToolChat:
        """Return the texts of chats with some tools.

        Args:
            tools: Schemas of the tools.

        Raises:
            ChatError: The model cannot be told of them.
        """
        key = json.dumps(tools, sort_keys=True)
        if key not in self._chats:
            if len(self._chats) >= _MAX_CHATS:
                self._chats.pop(next(iter(self._chats)))
            try:
                self._chats[key] = self._new_chat(tools)
            except ConfigError as error:
                raise ChatError(f"The model cannot use these tools: {error}") from error
        return self._chats[key]

    def _new_chat(self, tools: Sequence[dict[str, Any]]) -> ToolChat:
        return ToolChat(self._tokenizer, self._kwargs, tools, self._setting)

    def _encoded(
        self, messages: Sequence[Message], render: Callable[[Sequence[Message]], str]
    ) -> Prompt:
        try:
            return self._encoder.encode(messages, render)
        except ConfigError as error:
            raise ChatError(f"The model's chat template refuses the messages: {error}") from error


class ToolChat:
    """The texts of chats with one set of tools.

    Attributes:
        tool_format: How the model writes calls; None without tools.
    """

    def __init__(
        self,
        tokenizer: Any,
        kwargs: Mapping[str, Any],
        tools: Sequence[dict[str, Any]],
        setting: ToolCallFormat | str | None,
    ) -> None:
        """Find out how the chat template shows tools, and how it continues a chat.

        Args:
            tokenizer: A Hugging Face tokenizer with a chat template.
            kwargs: Arguments of the chat template.
            tools: Schemas of the tools.
            setting: The setting ``prompting(tools=...)``.

        Raises:
            ConfigError: The chat template cannot be continued, or no format of calls fits it.
        """
        self._use = (
            find_tool_use(tokenizer, setting, tools, chat_template_kwargs=kwargs) if tools else None
        )
        if tools and self._use is None:
            raise ConfigError("config.prompting(tools=None) turns tools off; leave it at 'auto'")
        own = kwargs if self._use is None else self._use.template_kwargs(kwargs)
        self._chat = ChatFormat(tokenizer, chat_template_kwargs=own)
        later = ChatFormat(tokenizer, chat_template_kwargs=later_kwargs(self._chat, own))
        self._continuation = ChatContinuation(later, tokenizer)
        self.tool_format = None if self._use is None else self._use.tool_format
        self._has_tool_role = takes_results(self._continuation, tokenizer)

    def opening(self, messages: Sequence[Message]) -> str:
        """Return a new chat, up to where the answer begins."""
        return self._chat.render([_with_parts(one) for one in self._told(messages)])

    def following(self, messages: Sequence[Message]) -> str:
        """Return what follows an answer, from the token on that ends its turn."""
        shown = self._all_shown(messages)
        return self._continuation.message([_with_parts(message) for message in shown])

    def after(self, response_ids: Sequence[int], message: Prompt) -> Prompt:
        """Return what follows an answer; see `ChatContinuation.after`."""
        return self._continuation.after(response_ids, message)

    def _told(self, messages: Sequence[Message]) -> list[Message]:
        """Return messages whose system prompt tells of the tools, if the template does not."""
        shown = self._all_shown(messages)
        if self._use is None or self._use.in_template:
            return shown
        has_system = shown[0]["role"] == "system"
        system = self._use.system_prompt(shown[0]["content"] if has_system else None)
        return [{"role": "system", "content": system or ""}, *shown[has_system:]]

    def _all_shown(self, messages: Sequence[Message]) -> list[Message]:
        """Return messages in a form that the chat template knows."""
        shown = [self._shown(message) for message in messages]
        return shown if self._has_tool_role else _merged(shown)

    def _shown(self, message: Message) -> Message:
        """Return a message in a form that the chat template knows."""
        if message["role"] == "tool" and not self._has_tool_role:
            return {"role": "user", "content": message["content"]}
        calls = message.get("tool_calls")
        if not calls or self._use is None or self._use.in_template:
            return message
        made = [ToolCall(one["function"]["name"], one["function"]["arguments"]) for one in calls]
        return {
            "role": "assistant",
            "content": message["content"] + self._use.tool_format.write(made),
        }


def _merged(messages: Sequence[Message]) -> list[Message]:
    """Join user messages that follow each other, as the results of several tools may."""
    merged: list[Message] = []
    for message in messages:
        if merged and merged[-1]["role"] == message["role"] == "user":
            both = f"{merged[-1]['content']}\n\n{message['content']}"
            merged[-1] = {**merged[-1], "content": both}
        else:
            merged.append(message)
    return merged


def _with_parts(message: Message) -> dict[str, Any]:
    return {**message, "content": [{"type": "text", "text": message["content"]}]}

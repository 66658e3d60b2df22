"""Messages -> prompts: a new chat is rendered whole, one that goes on is only appended to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rllib_gigpo.agent_programs.chat.chat_error import ChatError
from rllib_gigpo.agent_programs.chat.chat_request import Message
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.chat_continuation import ChatContinuation, text_message
from rllib_gigpo.prompting.chat_format import ChatFormat, added_tokens, pattern_of
from rllib_gigpo.prompting.prompt_record import ChatTurn, Prompt
from rllib_gigpo.prompting.text_encoder import TextEncoder, mark

_PROBE = "probe 4711 text"
_MAX_FORMATS = 64  # sets of tools whose chat format is kept


class ChatPrompts:
    """The prompts of chats under one model's chat template.

    Texts in messages are encoded as text, even if they spell a control token.
    """

    def __init__(self, tokenizer: Any, *, chat_template_kwargs: Mapping[str, Any] | None) -> None:
        """Check that the chat template can be continued.

        Args:
            tokenizer: A Hugging Face tokenizer with a chat template.
            chat_template_kwargs: Arguments of the chat template.

        Raises:
            ConfigError: See `ChatFormat` and `ChatContinuation`.
        """
        self._tokenizer = tokenizer
        self._kwargs = dict(chat_template_kwargs or {})
        self._encoder = TextEncoder(tokenizer)
        self._formats: dict[str, _ToolFormat] = {}
        self._format(())

    def open(self, messages: Sequence[Message], tools: Sequence[dict[str, Any]]) -> Prompt:
        """Return the prompt of a new chat.

        Args:
            messages: All its messages.
            tools: Schemas of its tools.

        Raises:
            ChatError: The chat template fails on them.
        """
        chat = self._format(tools)
        prompt = self._encoded(messages, chat.opening)
        return _with_message(prompt, len(prompt.token_ids))

    def extend(
        self, turn: ChatTurn, messages: Sequence[Message], tools: Sequence[dict[str, Any]]
    ) -> Prompt:
        """Return the prompt that continues a chat after an answer.

        Args:
            turn: The prompt and the answer before; their ids stay as they are.
            messages: The messages that follow the answer.
            tools: Schemas of its tools.

        Raises:
            ChatError: The chat template fails on them.
        """
        chat = self._format(tools)
        message = self._encoded(messages, chat.following)
        ids, text = list(message.token_ids), message.text
        if turn.response_ids and ids and turn.response_ids[-1] == ids[0]:
            first = self._tokenizer.decode(ids[:1])
            ids, text = ids[1:], text[len(first) :]
        else:  # the limit cut the answer off
            before = chat.before_end
            ids = [*self._tokenizer(before, add_special_tokens=False).input_ids, *ids]
            text = before + text
        prompt = Prompt(
            token_ids=[*turn.prompt.token_ids, *turn.response_ids, *ids],
            text=turn.prompt.text + self._tokenizer.decode(turn.response_ids) + text,
        )
        return _with_message(prompt, len(ids))

    def _format(self, tools: Sequence[dict[str, Any]]) -> _ToolFormat:
        key = json.dumps(tools, sort_keys=True)
        if key not in self._formats:
            if len(self._formats) >= _MAX_FORMATS:
                self._formats.pop(next(iter(self._formats)))
            self._formats[key] = _ToolFormat(self._tokenizer, self._kwargs, list(tools))
        return self._formats[key]

    def _encoded(self, messages: Sequence[Message], render: Any) -> Prompt:
        try:
            text = render(messages)
            marked = render([_marked(message) for message in messages])
        except ConfigError as error:
            raise ChatError(f"The model's chat template refuses the messages: {error}") from error
        expected = self._encoder.controls_of(marked)
        ids = self._encoder.encode(text, lambda: marked, expected=expected)
        return Prompt(token_ids=ids, text=text)


class _ToolFormat:
    """The texts of chats with one set of tools."""

    def __init__(self, tokenizer: Any, kwargs: dict[str, Any], tools: list[dict[str, Any]]) -> None:
        if tools:
            kwargs = {**kwargs, "tools": tools}
        self._chat = ChatFormat(tokenizer, chat_template_kwargs=kwargs)
        self._continuation = ChatContinuation(self._chat, tokenizer)
        after = self._continuation.text([text_message("user", _PROBE)])
        added = added_tokens(tokenizer)
        ends = [added[i] for i in self._continuation.turn_end_ids if i in added]
        match = pattern_of(ends).search(after)
        if match is None:
            raise ConfigError(
                "The tokenizer's chat template closes an answer with no token that ends a turn, so"
                " no chat can be continued. Set another tokenizer.chat_template."
            )
        self.before_end = after[: match.start()]

    def opening(self, messages: Sequence[Message]) -> str:
        return self._chat.render([_with_parts(message) for message in messages])

    def following(self, messages: Sequence[Message]) -> str:
        text = self._continuation.text([_with_parts(message) for message in messages])
        return text.removeprefix(self.before_end)


def _with_message(prompt: Prompt, num_tokens: int) -> Prompt:
    return Prompt(token_ids=prompt.token_ids, text=prompt.text, num_message_tokens=num_tokens)


def _with_parts(message: Message) -> dict[str, Any]:
    return {**message, "content": [{"type": "text", "text": message["content"]}]}


def _marked(value: Any, key: str = "") -> Any:
    """Replace the texts that a program sends by marks; names of roles and types steer templates."""
    if isinstance(value, dict):
        return {name: _marked(one, name) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(one, key) for one in value]
    return mark(value) if isinstance(value, str) and key not in ("role", "type") else value

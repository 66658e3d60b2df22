"""Rendered chats -> token ids, such that control tokens come from the chat template only."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from rllib_gigpo.envs.common.clean_text import valid_text
from rllib_gigpo.prompting.chat_format import added_tokens, pattern_of
from rllib_gigpo.prompting.prompt_record import Prompt
from rllib_gigpo.prompting.text_encoder import TextEncoder

_FIRST_STAND_IN = 0x100000  # letters of private use, which chat templates treat as letters
_STAND_IN = re.compile(f"[{chr(_FIRST_STAND_IN)}-{chr(sys.maxunicode)}]")
Message = dict[str, Any]
_STEERING = ("role", "type", "id", "tool_call_id")  # not shown, or known to the template
# Where they steer: in a message and in these parts of it. Deeper ones, as in the arguments of a
# call, are names that a model or a tool has chosen.
_INNER = {
    "message": ("tool_calls", "content"),
    "tool_calls": ("function",),
    "function": (),
    "content": (),
}


class MessageEncoder:
    """Encoder of chats.

    What users and tools say is text, even if it spells a control token such as ``<|im_end|>``. A
    system prompt and the model's earlier answers may hold the model's own marks, such as
    ``<think>`` and ``<tool_call>``, but no special tokens.
    """

    def __init__(self, tokenizer: Any) -> None:
        """Find the control tokens.

        Args:
            tokenizer: A Hugging Face tokenizer.
        """
        self._encoder = TextEncoder(tokenizer)
        controls = self._encoder.controls
        special = added_tokens(tokenizer, only_special=True)
        self._any_control = pattern_of(controls.values())
        self._any_special = pattern_of(text for i, text in controls.items() if i in special)

    def encode(
        self, messages: Sequence[Message], render: Callable[[Sequence[Message]], str]
    ) -> Prompt:
        """Return the prompt of some messages.

        Args:
            messages: The messages.
            render: Renders messages with the chat template.

        Raises:
            ConfigError: The chat template fails on them.
        """
        stand_ins = dict[str, str]()
        replaced = [self._replaced(message, stand_ins) for message in messages]
        rendered = text = render(replaced)
        if stand_ins:
            text = render([_with_texts(message, lambda text: text) for message in messages])
        by_letter = {letter: forged for forged, letter in stand_ins.items()}
        return Prompt(self._encoder.encode_around(rendered, by_letter), text)

    def _replaced(self, message: Message, stand_ins: dict[str, str]) -> Message:
        """Return a message in which a letter stands for each control token that it spells."""
        is_own = message["role"] in ("system", "assistant")
        pattern = self._any_special if is_own else self._any_control

        def stand_in(forged: str) -> str:
            if forged not in stand_ins:
                stand_ins[forged] = chr(_FIRST_STAND_IN + len(stand_ins))
            return stand_ins[forged]

        def of_text(text: str) -> str:
            # The letters of private use that the text itself has are replaced, too.
            text = _STAND_IN.sub(lambda match: stand_in(match[0]), text)
            return pattern.sub(lambda match: stand_in(match[0]), text)

        return _with_texts(message, of_text)


def _with_texts(value: Any, change: Callable[[str], str], place: str = "message") -> Any:
    """Change every text in a message that the chat template shows, names of arguments too."""
    if isinstance(value, str):
        return change(valid_text(value))
    if isinstance(value, list | tuple):
        return [_with_texts(one, change, place) for one in value]
    if not isinstance(value, dict):
        return value
    inner = _INNER.get(place)
    if inner is None:
        return {
            _with_texts(name, change): _with_texts(one, change, "") for name, one in value.items()
        }
    return {
        name: one
        if name in _STEERING and isinstance(one, str)
        else _with_texts(one, change, name if name in inner else "")
        for name, one in value.items()
    }

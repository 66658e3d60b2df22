"""Hermes' format, which Qwen2.5, Qwen3 and many other models write, too."""

from __future__ import annotations

from collections.abc import Sequence

from rllib_gigpo.envs.tools.call_text import ToolCall
from rllib_gigpo.prompting.tool_calls.tool_call_format import (
    BrokenCallError,
    ToolCallFormat,
    call_of,
    json_text,
    read_value,
)

_OPENING, _CLOSING = "<tool_call>", "</tool_call>"


class HermesFormat(ToolCallFormat):
    """``<tool_call>{"name": ..., "arguments": {...}}</tool_call>``, once for each call."""

    name = "hermes"
    marks = (_OPENING, _CLOSING)

    def find(self, response: str) -> list[ToolCall]:
        """See the base class; text before and between the calls is allowed."""
        calls, place = list[ToolCall](), 0
        while (start := response.find(_OPENING, place)) >= 0:
            value, stop = read_value(response, start + len(_OPENING), f"after {_OPENING}")
            calls.append(call_of(value))
            if not response[stop:].lstrip().startswith(_CLOSING):
                raise BrokenCallError(
                    f"The call of {calls[-1].name} must end with {_CLOSING}, not with"
                    f" {response[stop : stop + 40]!r}."
                )
            place = response.index(_CLOSING, stop)
        if not calls and _CLOSING in response:
            raise BrokenCallError(f"{_CLOSING} has no {_OPENING} before it.")
        return calls

    def write(self, calls: Sequence[ToolCall]) -> str:
        """See the base class."""
        objects = ({"name": one.name, "arguments": dict(one.arguments)} for one in calls)
        return "\n".join(f"{_OPENING}\n{json_text(one)}\n{_CLOSING}" for one in objects)

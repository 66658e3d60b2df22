"""Mistral's formats: a list of calls, and in newer models a name and its arguments."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rllib_gigpo.envs.tools.call_text import ToolCall
from rllib_gigpo.prompting.tool_calls.tool_call_format import (
    BrokenCallError,
    ToolCallFormat,
    call_of,
    json_text,
    read_value,
)

_CALLS, _ARGS, _ID = "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"
_NAME = re.compile(r"\s*([^\s\[{]+)(?:\[CALL_ID\]([\w-]*))?\s*(?:\[ARGS\])?\s*(?=\{)")


class MistralFormat(ToolCallFormat):
    """``[TOOL_CALLS] [{"name": ..., "arguments": {...}}]``, as in Mistral 7B 0.3 and Nemo."""

    name = "mistral"
    marks = (_CALLS,)

    def find(self, response: str) -> list[ToolCall]:
        """See the base class; text before the mark is allowed."""
        before, mark, _ = response.partition(_CALLS)
        if not mark:
            return []
        value, _ = read_value(response, len(before) + len(mark), f"after {_CALLS}")
        return [call_of(one) for one in (value if isinstance(value, list) else [value])]

    def write(self, calls: Sequence[ToolCall]) -> str:
        """See the base class."""
        objects = [{"name": one.name, "arguments": dict(one.arguments)} for one in calls]
        return f"{_CALLS} {json_text(objects)}"


class MistralArgsFormat(ToolCallFormat):
    """``[TOOL_CALLS]name[ARGS]{...}``, once a call, as in Mistral Small 3.2 and Magistral."""

    name = "mistral_args"
    marks = (_CALLS, _ARGS, _ID)

    def find(self, response: str) -> list[ToolCall]:
        """See the base class; text before the first mark is allowed."""
        calls, place = list[ToolCall](), 0
        while (start := response.find(_CALLS, place)) >= 0:
            name = _NAME.match(response, start + len(_CALLS))
            if name is None:
                raise BrokenCallError(
                    f"After {_CALLS}, write a tool's name, {_ARGS} and its arguments as JSON."
                )
            value, place = read_value(response, name.end(), f"after {name[1]}")
            calls.append(call_of({"name": name[1], "arguments": value, "id": name[2]}))
        return calls

    def write(self, calls: Sequence[ToolCall]) -> str:
        """See the base class."""
        return "".join(
            f"{_CALLS}{one.name}{_ARGS}{json_text(dict(one.arguments))}" for one in calls
        )

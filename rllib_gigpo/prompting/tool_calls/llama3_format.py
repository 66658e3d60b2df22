"""The JSON of Llama 3.1 to 3.3."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rllib_gigpo.envs.tools.call_text import ToolCall
from rllib_gigpo.prompting.tool_calls.tool_call_format import (
    ToolCallFormat,
    call_of,
    json_text,
    read_value,
)

_TAG = "<|python_tag|>"
_BEGINNING = re.compile(
    r'^[^\S\n]*+(?:<\|python_tag\|>)?+[^\S\n]*+\{\s*+"(?:name|type|function|parameters)"\s*:',
    re.MULTILINE,
)
_BETWEEN = re.compile(r"[\s;]*+(?:<\|python_tag\|>)?+\s*+(?=\{)")


class Llama3Format(ToolCallFormat):
    """``{"name": ..., "parameters": {...}}`` at the beginning of a line, calls joined by ``;``."""

    name = "llama3"
    marks = (_TAG,)

    def find(self, response: str) -> list[ToolCall]:
        """See the base class; text before the first call is allowed."""
        calls = list[ToolCall]()
        beginning = _BEGINNING.search(response)
        place = response.index("{", beginning.start()) if beginning else -1
        while place >= 0:
            value, stop = read_value(response, place, "of the call")
            calls.append(call_of(value, key="parameters"))
            between = _BETWEEN.match(response, stop)
            place = between.end() if between else -1
        return calls

    def write(self, calls: Sequence[ToolCall]) -> str:
        """See the base class."""
        objects = ({"name": one.name, "parameters": dict(one.arguments)} for one in calls)
        return "; ".join(map(json_text, objects))

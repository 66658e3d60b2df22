"""The XML of Qwen3-Coder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rllib_gigpo.envs.tools.call_text import ToolCall
from rllib_gigpo.prompting.tool_calls.tool_call_format import (
    BrokenCallError,
    ToolCallFormat,
    json_text,
)

_FUNCTION = re.compile(r"<function=([^<>\n]*+)>(.*?)(</function>|(?=<function=)|\Z)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([^<>\n]*+)>(.*?)(</parameter>|(?=<parameter=)|\Z)", re.DOTALL)


class Qwen3CoderFormat(ToolCallFormat):
    """``<tool_call><function=name><parameter=key>value</parameter></function></tool_call>``.

    Values are text; the tool's type hints decide what they become.
    """

    name = "qwen3_coder"
    marks = ("<tool_call>", "</tool_call>")
    writes_json = False

    def find(self, response: str) -> list[ToolCall]:
        """See the base class."""
        calls = list[ToolCall]()
        for function in _FUNCTION.finditer(response):
            name = function[1].strip()
            if not name or not function[3]:
                raise BrokenCallError(f"<function={name}> needs a name and </function> at its end.")
            calls.append(ToolCall(name, dict(self._arguments(name, function[2]))))
        if not calls and "<tool_call>" in response:
            raise BrokenCallError("<tool_call> must hold <function=name> ... </function>.")
        return calls

    def write(self, calls: Sequence[ToolCall]) -> str:
        """See the base class."""
        return "\n".join(self._block(call) for call in calls)

    def _arguments(self, name: str, body: str) -> Iterator[tuple[str, str]]:
        for parameter in _PARAMETER.finditer(body):
            if not parameter[3]:
                raise BrokenCallError(
                    f"<parameter={parameter[1]}> of {name} needs </parameter> at its end."
                )
            yield parameter[1].strip(), parameter[2].removeprefix("\n").removesuffix("\n")

    def _block(self, call: ToolCall) -> str:
        lines = ["<tool_call>", f"<function={call.name}>"]
        for name, value in call.arguments.items():
            text = value if isinstance(value, str) else json_text(value)
            lines += [f"<parameter={name}>", text, "</parameter>"]
        return "\n".join([*lines, "</function>", "</tool_call>"])

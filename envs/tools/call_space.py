"""The action space of an environment made of tools, whose samples are mostly calls."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any

from gymnasium import spaces

from .call_text import ToolCall, write_calls

_WORDS = ("apple", "2024-01-01", "Paris", "x", "hello world")
_DEPTH = 3  # of lists and objects within arguments


class CallSpace(spaces.Text):
    """Text of up to ``max_length`` characters; a sample calls a tool with random arguments.

    Random letters would be answers, which end an episode, so nothing that plays at random would
    ever see a tool's result.

    Args:
        schemas: The tools, in OpenAI's form.
        max_length: Longest text.
    """

    def __init__(self, schemas: Sequence[Mapping[str, Any]], max_length: int = 100_000) -> None:
        super().__init__(max_length, min_length=0, charset=string.printable)
        self.tools = list(schemas)  # also for pipelines that see only the space

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """Return the text of a call, or now and then of an answer."""
        if not self.tools or self.np_random.random() < 0.1:
            return self._word()
        tool = self.tools[self._draw(len(self.tools))]["function"]
        arguments = self._value({"type": "object", **parameters_of(tool)}, _DEPTH)
        return write_calls([ToolCall(tool["name"], arguments)])

    def _value(self, schema: Mapping[str, Any], depth: int) -> Any:
        """Return a random value of a JSON schema."""
        if "enum" in schema:
            return schema["enum"][self._draw(len(schema["enum"]))]
        if "anyOf" in schema:
            return self._value(schema["anyOf"][self._draw(len(schema["anyOf"]))], depth)
        match schema.get("type", "string"):
            case "integer":
                return self._draw(10)
            case "number":
                return round(float(self.np_random.random()) * 10, 2)
            case "boolean":
                return bool(self._draw(2))
            case "null":
                return None
            case "array":
                count = self._draw(3) if depth else 0
                return [self._value(schema.get("items", {}), depth - 1) for _ in range(count)]
            case "object":
                properties = schema.get("properties", {}) if depth else {}
                return {name: self._value(one, depth - 1) for name, one in properties.items()}
        return self._word()

    def _word(self) -> str:
        return _WORDS[self._draw(len(_WORDS))]

    def _draw(self, count: int) -> int:
        return int(self.np_random.integers(count))


def parameters_of(function: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the JSON schema of a tool's parameters; OpenAI's form may leave it out.

    Args:
        function: The tool's ``function`` in OpenAI's form.
    """
    return function.get("parameters") or {}

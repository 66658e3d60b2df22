"""`ToolCallFormat`: how a family of models writes the calls of tools."""

from __future__ import annotations

import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rllib_gigpo.envs.tools.call_text import ToolCall, id_of

_DECODER = json.JSONDecoder()


class BrokenCallError(ValueError):
    """A response begins a call that cannot be read; the text says why, and is for the agent."""


class ToolCallFormat(ABC):
    """A format of tool calls; a subclass defines `find` and `write`.

    Attributes:
        name: Its name as a setting.
        marks: The texts around calls that may be special tokens, which decoding keeps.
        writes_json: Whether texts within arguments are written with JSON's escapes.
    """

    name: ClassVar[str]
    marks: ClassVar[tuple[str, ...]] = ()
    writes_json: ClassVar[bool] = True

    def parse(self, response: str) -> list[ToolCall] | str | None:
        """Return the calls of a response, or what is wrong with them; None if it makes no call.

        Args:
            response: The decoded response without its thought.
        """
        try:
            return self.find(response) or None
        except BrokenCallError as error:
            return str(error)

    @abstractmethod
    def find(self, response: str) -> list[ToolCall]:
        """Return the calls of a response, in order.

        Raises:
            BrokenCallError: A call cannot be read.
        """

    @abstractmethod
    def write(self, calls: Sequence[ToolCall]) -> str:
        """Return the response that makes some calls."""


def read_value(text: str, start: int, where: str) -> tuple[Any, int]:
    """Return the JSON value at a place of a text, and where it ends.

    Args:
        text: The text.
        start: Where the value begins, perhaps after spaces.
        where: Where that is, for the message.

    Raises:
        BrokenCallError: There is no JSON.
    """
    while start < len(text) and text[start].isspace():
        start += 1
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        reason = f"{error.msg} at character {max(0, error.pos - start) + 1}"
    except (ValueError, RecursionError) as error:  # numbers too long, lists too deep
        reason = str(error)
    shown = text[start : start + 80]
    raise BrokenCallError(f"The JSON {where} is broken: {reason} of {shown!r}.")


def call_of(value: Any, *, key: str = "arguments") -> ToolCall:
    """Return the call that a JSON object describes; arguments may be JSON in a string.

    Args:
        value: The object.
        key: The name of the arguments in it; "arguments" and "parameters" will do, too.

    Raises:
        BrokenCallError: It has no name, or its arguments are not an object.
    """
    name = value.get("name") if isinstance(value, Mapping) else None
    if not isinstance(name, str) or not name:
        raise BrokenCallError(
            f'A tool call must be a JSON object with "name" and "{key}", not {_short(value)}.'
        )
    keys = (key, "arguments", "parameters")
    arguments: Any = next((value[one] for one in keys if one in value), {})
    if isinstance(arguments, str):
        arguments, _ = read_value(arguments, 0, f"in the {key} of {name}")
    if not isinstance(arguments, Mapping):
        raise BrokenCallError(
            f'The "{key}" of {name} must be a JSON object of names and values, not'
            f" {_short(arguments)}."
        )
    return ToolCall(name, arguments, id_of(value))


def json_text(value: Any) -> str:
    """Return a JSON value as models write it: with spaces, and all letters as they are."""
    return json.dumps(value, ensure_ascii=False)


def _short(value: Any) -> str:
    return json_text(value)[:80]


def typed_call(
    call: ToolCall, schemas: Sequence[Mapping[str, Any]], tool_format: ToolCallFormat
) -> ToolCall:
    """Return a call whose arguments have the types of its tool's schema.

    A format without JSON writes every argument as text: "3" is a number if the schema says so.

    Args:
        call: The call, as the format read it.
        schemas: The tools, in OpenAI's form.
        tool_format: The format.
    """
    if tool_format.writes_json:
        return call
    functions = {one["function"]["name"]: one["function"] for one in schemas}
    properties = _inner(_inner(functions.get(call.name), "parameters"), "properties")
    arguments = dict(call.arguments)
    for name, value in arguments.items():
        takes_text = _inner(properties, name).get("type") == "string"
        if isinstance(value, str) and not takes_text:
            with contextlib.suppress(ValueError, RecursionError):
                arguments[name] = json.loads(value)
    return ToolCall(call.name, arguments, call.id)


def _inner(schema: Any, name: str) -> Mapping[str, Any]:
    """Return a part of a schema; empty if it is null, true, or missing."""
    found = schema.get(name) if isinstance(schema, Mapping) else None
    return found if isinstance(found, Mapping) else {}

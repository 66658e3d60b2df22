"""The text of an action: a JSON array of tool calls, what was wrong with them, or an answer."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..common.clean_text import valid_text

_LONGEST_TYPED = 2000  # characters of a call that a person types


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool.

    Attributes:
        name: The name of the tool.
        arguments: Its arguments, by name.
        id: The id that the model gave to it; empty if it gave none. It is not a part of the call.
    """

    name: str
    arguments: Mapping[str, Any]
    id: str = field(default="", compare=False)


def write_calls(calls: Iterable[ToolCall]) -> str:
    """Return the action that makes some calls, in order."""
    return _json(
        [
            {"name": call.name, "arguments": dict(call.arguments)}
            | ({"id": call.id} if call.id else {})
            for call in calls
        ]
    )


def write_error(error: str) -> str:
    """Return the action that stands for a response whose tool calls cannot be read."""
    return _json([{"error": error}])


def read_action(action: str) -> list[ToolCall] | str | None:
    """Return the calls of an action, or what was wrong with them; None if it is an answer.

    Args:
        action: The action. ``[{"name": "add", "arguments": {"a": 1, "b": 2}}]`` makes a call, as
            does a single such object. ``[{"error": "..."}]`` is an error. Any other text is an
            answer.
    """
    found = loaded(action)
    found = [found] if isinstance(found, Mapping) else found
    if isinstance(found, list) and found:
        if len(found) == 1 and is_error(found[0]):
            return found[0]["error"]
        if all(map(is_call, found)):
            return [ToolCall(one["name"], one["arguments"], id_of(one)) for one in found]
    return None


def typed_action(text: str, parameters: Mapping[str, Sequence[str]]) -> str:
    """Return the action that a person has typed: ``add(a=1, b=2)`` is short for a call.

    Args:
        text: What was typed.
        parameters: The names of each tool's parameters.
    """
    calls = _typed(text.strip(), parameters)
    try:
        return text if calls is None else write_calls(calls)
    except (TypeError, ValueError):  # a set, or bytes: not JSON
        return text


def is_call(value: Any) -> bool:
    """Return whether a JSON value is a call in the canonical form."""
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("name"), str)
        and isinstance(value.get("arguments"), Mapping)
    )


def id_of(value: Mapping[str, Any]) -> str:
    """Return the id that a model gave to a call; empty if it has none that templates take."""
    own = value.get("id")
    return own if isinstance(own, str) and is_call_id(own) else ""


def is_call_id(text: str) -> bool:
    """Return whether an id has nine letters or digits: Mistral's templates refuse any other."""
    return len(text) == 9 and text.isascii() and text.isalnum()


def is_error(value: Any) -> bool:
    """Return whether a JSON value is an error in the canonical form."""
    return (
        isinstance(value, Mapping) and list(value) == ["error"] and isinstance(value["error"], str)
    )


def loaded(text: str) -> Any:
    """Return the JSON value of a text, with valid Unicode only; None if it is not JSON."""
    try:
        return json.loads(valid_text(_json(json.loads(text))))
    except (ValueError, RecursionError):  # also of numbers with thousands of digits
        return None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _typed(text: str, parameters: Mapping[str, Sequence[str]]) -> list[ToolCall] | None:
    """Read ``name(1, b="x")``; None if it is anything else."""
    name = text.partition("(")[0]
    if name not in parameters or not text.endswith(")") or len(text) > _LONGEST_TYPED:
        return None
    try:
        call = ast.parse(text, mode="eval").body
        if not isinstance(call, ast.Call) or len(call.args) > len(parameters[name]):
            return None
        given = dict(zip(parameters[name], map(ast.literal_eval, call.args), strict=False))
        given |= {str(one.arg): ast.literal_eval(one.value) for one in call.keywords}
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return [ToolCall(name, given)]

"""How an agent's text becomes the action of an environment."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from ...common.clean_text import valid_text
from .server_schema import ServerSchema, field_type

JSON = "json"
_DEEPEST = 32  # lists and objects within each other; servers give up at some hundreds
_CALL = "call_tool"  # the type of openenv's CallToolAction


class UnreadableActionError(ValueError):
    """The agent's text is not an action; the message tells the agent why."""


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("JSON has no such number")
    return value


_READERS: dict[str, Callable[[str], Any]] = {"string": str, "integer": int, "number": _number}


class ActionWriter:
    """Puts text into one field of the action, or reads it as the whole action in JSON.

    Args:
        schema: The fields that the server's environment has.
        action: A field's name, or "json"; None takes the only field that an action must have, or
            "json" if there are several.

    Raises:
        ValueError: The environment has no such field, or it takes neither text nor numbers.
    """

    def __init__(self, schema: ServerSchema, action: str | None) -> None:
        self._has_tools = schema.has_tools
        self.field = _only_field(schema) if action is None else action
        if self.field == JSON:
            return
        if self.field not in schema.action:
            fields = ", ".join(map(repr, schema.action)) or "none"
            raise ValueError(
                f"action must be 'json' or a field of the server's actions ({fields}); got "
                f"{action!r}. Fix it in env_config."
            )
        self._kind = field_type(schema.action[self.field])
        if self._kind not in _READERS:
            raise ValueError(
                f"The field {self.field!r} of the server's actions is not text or a number. Use "
                "action='json' in env_config."
            )

    def write(self, text: str) -> dict[str, Any]:
        """Return the action that a text stands for.

        Raises:
            UnreadableActionError: It stands for none.
        """
        if self.field == JSON:
            return self._read_json(text)
        try:
            return {self.field: _READERS[self._kind](text)}
        except ValueError as error:
            raise UnreadableActionError(f"An action is one {self._kind}.") from error

    def _read_json(self, text: str) -> dict[str, Any]:
        try:
            action = json.loads(text, parse_constant=_number, parse_float=_number)
        except (ValueError, RecursionError) as error:
            raise UnreadableActionError("An action is a JSON object, such as {}.") from error
        if not isinstance(action, dict):
            raise UnreadableActionError("An action is a JSON object, such as {}.")
        action = _sendable(action, _DEEPEST)
        if self._has_tools and "tool_name" in action:
            return {"type": _CALL, **action}
        return action


def _sendable(value: Any, depth: int) -> Any:
    r"""Return a value of JSON without lone surrogates such as "\ud800", which servers choke on.

    Raises:
        UnreadableActionError: It has more than ``depth`` levels.
    """
    if isinstance(value, str):
        return valid_text(value)
    if not isinstance(value, list | dict):
        return value
    if depth == 0:
        raise UnreadableActionError(
            f"An action has at most {_DEEPEST} levels of lists and objects within each other."
        )
    if isinstance(value, list):
        return [_sendable(one, depth - 1) for one in value]
    return {valid_text(name): _sendable(one, depth - 1) for name, one in value.items()}


def _only_field(schema: ServerSchema) -> str:
    """Return the field for plain text, or "json" if there is none."""
    candidates = [name for name in schema.action if name in schema.required] or list(schema.action)
    if schema.has_tools or len(candidates) != 1:
        return JSON
    (name,) = candidates
    return name if field_type(schema.action[name]) in _READERS else JSON

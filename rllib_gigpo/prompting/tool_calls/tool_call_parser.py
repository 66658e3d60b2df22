"""From a response to the tool calls or the answer in it, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rllib_gigpo.envs.common.clean_text import valid_text
from rllib_gigpo.envs.tools.call_text import ToolCall, read_action, write_calls, write_error
from rllib_gigpo.prompting.action_parser import ActionParser, ParsedAction
from rllib_gigpo.prompting.tool_calls.tool_call_format import ToolCallFormat, typed_call


class ToolCallParser(ActionParser):
    """Parser whose action is the canonical text of an environment made of tools.

    A response with calls becomes the JSON array of the calls, one without is the final answer. A
    response that cannot be read is not valid; its action says why, so that the environment can tell
    the agent. A thought may come first.

    Attributes:
        marks: The texts of special tokens that decoding must keep.
    """

    def __init__(
        self,
        tool_format: ToolCallFormat,
        *,
        schemas: Sequence[Mapping[str, Any]] = (),
        **kwargs: Any,
    ) -> None:
        """Store the format of the calls.

        Args:
            tool_format: The format.
            schemas: The tools, whose types say what the texts of formats without JSON become.
            **kwargs: See `ActionParser`, for the thought.
        """
        super().__init__(action_tag=None, **kwargs)
        self._schemas = schemas
        self.marks = tool_format.marks
        self._tool_format = tool_format

    def parse(self, response: str, admissible_actions: Sequence[str] | None) -> ParsedAction:
        """Parse one response; see `ActionParser.parse`."""
        answer = self._without_thought(response)
        if answer is None:
            return _broken(f"The thought must end with </{self.think_tag}>.")
        found = self._tool_format.parse(answer)
        if isinstance(found, str):
            return _broken(found)
        if found is not None:
            calls = [typed_call(one, self._schemas, self._tool_format) for one in found]
            return ParsedAction(valid_text(write_calls(calls)), True, True)
        if not answer.strip():
            return _broken("The response is empty. Call a tool, or give the final answer.")
        if read_action(answer) is not None or any(mark in answer for mark in self.marks):
            example = self._tool_format.write([ToolCall("name", {"argument": "value"})])
            return _broken(f"To call a tool, write {example}")
        return ParsedAction(answer.strip(), True, True)

    def format(self, action: str, *, sub_goal: str = "") -> str:
        """Return the response that makes an action; see `ActionParser.format`."""
        found = read_action(action)
        text = self._tool_format.write(found) if isinstance(found, list) else action
        return super().format(text, sub_goal=sub_goal)

    def format_marked(self, action: str, mark: Callable[[str], str], *, sub_goal: str = "") -> str:
        """See `ActionParser.format_marked`; the marks of the format itself stay."""
        found = read_action(action)
        if not isinstance(found, list):
            return super().format_marked(action, mark, sub_goal=sub_goal)
        letter, is_json = mark("x"), self._tool_format.writes_json
        calls = [ToolCall(one.name, _marked(one.arguments, letter, is_json)) for one in found]
        return super().format(self._tool_format.write(calls), sub_goal=sub_goal)


def _broken(reason: str) -> ParsedAction:
    return ParsedAction(valid_text(write_error(reason)), False, False)


def _marked(value: Any, letter: str, is_json: bool) -> Any:
    """Replace every text in a JSON value by as many marks as it is long when it is written."""
    if isinstance(value, str):
        return letter * (len(json.dumps(value, ensure_ascii=False)) - 2 if is_json else len(value))
    if isinstance(value, list):
        return [_marked(one, letter, True) for one in value]
    if isinstance(value, Mapping):
        return {key: _marked(one, letter, is_json) for key, one in value.items()}
    return value

"""From the text of a response to the action that it names, and back."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rllib_gigpo.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ParsedAction:
    """The action found in one response.

    Attributes:
        action: The text of the action; empty if the format is invalid.
        is_format_valid: Whether the response has the requested format.
        is_admissible: Whether the action is one of the admissible actions; True if those are
            unknown, False if the format is invalid.
    """

    action: str
    is_format_valid: bool
    is_admissible: bool


_INVALID = ParsedAction(action="", is_format_valid=False, is_admissible=False)


_PLACEHOLDER = re.compile(r"<[^<>\s]*\s[^<>]*>")  # <your query>; a single word is a tag


@runtime_checkable
class ResponseParser(Protocol):
    """Protocol of parsers: `ActionParser`, and any other object with the method ``parse``."""

    def parse(self, response: str, admissible_actions: Sequence[str] | None) -> ParsedAction:
        """Parse one response; see `ActionParser.parse`."""


class ActionParser:
    """Parser of responses such as ``<think>...</think><action>go east</action>``.

    A response is valid if it contains exactly one non-empty action outside its thought. The thought
    ends at the last closing tag; its opening tag may be missing, because some chat templates put it
    into the prompt. A thought that never ends makes the response invalid: it was most likely cut
    off. An invalid response is a normal result and never raises an exception.
    """

    def __init__(
        self,
        *,
        action_tag: str | None = "action",
        think_tag: str | None = "think",
        require_think: bool = False,
        opens_thought: bool = False,
    ) -> None:
        """Store the format of the responses.

        Args:
            action_tag: Name of the tag around the action, without brackets. None takes the whole
                response, stripped, as the action: the cheapest format, for very small models.
            think_tag: Name of the tag around the thought; None if there are no thoughts.
            require_think: Whether a response without a thought is invalid.
            opens_thought: Whether the prompt ends within the thought, as some chat templates write
                it; a response without the closing tag is then unfinished.

        Raises:
            ConfigError: A tag is not a plain word, or a thought is required but has no tag.
        """
        for option, tag in (("action_tag", action_tag), ("think_tag", think_tag)):
            if tag is not None and not re.fullmatch(r"[A-Za-z][\w.-]*", tag):
                raise ConfigError(
                    f"{option}={tag!r} is not a tag name; use a word without brackets, such as"
                    " 'action'."
                )
        if require_think and think_tag is None:
            raise ConfigError(
                "require_think=True needs a think_tag; set one, or set require_think=False."
            )
        self.action_tag = action_tag
        self.think_tag = think_tag
        self.require_think = require_think
        self._needs_closing = require_think or opens_thought
        self.tags = tuple(tag for tag in (action_tag, think_tag) if tag is not None)
        self._action_block = re.compile(rf"<{action_tag}>(.*?)</{action_tag}>", re.DOTALL)

    def parse(self, response: str, admissible_actions: Sequence[str] | None) -> ParsedAction:
        """Parse one response.

        Args:
            response: The decoded response without special tokens.
            admissible_actions: The actions that the environment accepts at this turn; None if it
                does not list them. The comparison ignores case and runs of whitespace, and a match
                is returned in the environment's spelling. Two or more words in angle brackets match
                any text: ``search[<your query>]`` admits every search.

        Returns:
            The action, and whether it is valid and admissible.
        """
        answer = self._without_thought(response)
        action = None if answer is None else self._find_action(answer)
        if not action:
            return _INVALID
        if admissible_actions is None:
            return ParsedAction(action, is_format_valid=True, is_admissible=True)
        match = _matching(action, admissible_actions)
        if match is None:
            return ParsedAction(action, is_format_valid=True, is_admissible=False)
        return ParsedAction(match, is_format_valid=True, is_admissible=True)

    def format(self, action: str, *, sub_goal: str = "") -> str:
        """Return the shortest valid response that names ``action``, the inverse of ``parse``.

        Args:
            action: The action.
            sub_goal: The sub-goal that is pursued so far; for parsers whose answers name one.
        """
        thought = f"<{self.think_tag}></{self.think_tag}>" if self.require_think else ""
        if self.action_tag is None:
            return f"{thought}{action}"
        return f"{thought}<{self.action_tag}>{action}</{self.action_tag}>"

    def format_marked(self, action: str, mark: Callable[[str], str], *, sub_goal: str = "") -> str:
        """Return the response that names ``action``, with every character of its own text marked.

        Args:
            action: The action.
            mark: Marks a text, whose length it keeps.
            sub_goal: See `format`; marked by the caller.
        """
        return self.format(mark(action), sub_goal=sub_goal)

    def _without_thought(self, response: str) -> str | None:
        """Return the text after the thought; None if that is unfinished, or required but absent."""
        if self.think_tag is None:
            return response
        _, closing, answer = response.rpartition(f"</{self.think_tag}>")
        if f"<{self.think_tag}>" in answer or (self._needs_closing and not closing):
            return None
        return answer

    def _find_action(self, answer: str) -> str | None:
        if self.action_tag is None:
            return answer.strip()
        blocks = self._action_block.findall(answer)
        return blocks[0].strip() if len(blocks) == 1 else None


def _matching(action: str, admissible_actions: Sequence[str]) -> str | None:
    if action in admissible_actions:
        return action
    wanted = _normalise(action)
    for known in admissible_actions:
        if _normalise(known) == wanted:
            return known
    return action if any(_fits(wanted, known) for known in admissible_actions) else None


def _fits(wanted: str, known: str) -> bool:
    """Check whether an action is an admissible one with text for its placeholders.

    Each placeholder takes as little text as it can, at least one character. A regular expression
    would try all ways to share the text out, which takes for ever for many placeholders.
    """
    if "<" not in known:
        return False
    first, *middle = _PLACEHOLDER.split(_normalise(known))
    if not middle or not wanted.startswith(first):
        return False
    last, position = middle.pop(), len(first)
    for part in middle:
        found = wanted.find(part, position + 1)
        if found < 0:
            return False
        position = found + len(part)
    return wanted.endswith(last) and position + 1 + len(last) <= len(wanted)


def _normalise(action: str) -> str:
    return " ".join(action.split()).casefold()

"""The agent's actions: a search or an answer, in tags or as a plain line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

ActionFormat = Literal["tags", "plain"]
ACTION_FORMATS: tuple[ActionFormat, ...] = ("tags", "plain")
Kind = Literal["search", "answer"]

_OPENING = re.compile(r"<(search|answer)>", re.IGNORECASE)
_PLAIN = re.compile(r"\s*(search|answer)\s*:(.*)", re.IGNORECASE | re.DOTALL)
_HOW_TO = "Write <search>words to look up</search> or <answer>your answer</answer>."


@dataclass(frozen=True, slots=True)
class SearchAction:
    """One search or one answer."""

    kind: Kind
    text: str  # the query or the answer, stripped, never empty


@dataclass(frozen=True, slots=True)
class InvalidAction:
    """Any other text, with the complaint that the agent reads."""

    complaint: str


def parse_action(text: str) -> SearchAction | InvalidAction:
    """Parse an action: one block in one of the two tags or, without tags, one plain line.

    Text around the block is ignored. Two blocks, of the same or different kinds, are invalid,
    because it is unclear which one counts.
    """
    openings = list(_OPENING.finditer(text))
    if len(openings) > 1:
        return InvalidAction(f"Give one search or one answer per turn. {_HOW_TO}")
    if not openings:
        plain = _PLAIN.fullmatch(text)
        return _action(*plain.groups()) if plain else InvalidAction(f"Not understood. {_HOW_TO}")
    (opening,) = openings
    kind = opening[1].lower()
    closing = re.compile(f"</{kind}>", re.IGNORECASE).search(text, opening.end())
    if closing is None:
        return InvalidAction(f"The tag <{kind}> is not closed. {_HOW_TO}")
    return _action(kind, text[opening.end() : closing.start()])


def _action(kind: str, text: str) -> SearchAction | InvalidAction:
    if not text.strip():
        return InvalidAction(f"The {kind.lower()} is empty. {_HOW_TO}")
    return SearchAction("search" if kind.lower() == "search" else "answer", text.strip())


def format_action(action: SearchAction, action_format: ActionFormat) -> str:
    """Write an action so that ``parse_action`` can read it."""
    if action_format == "plain":
        return f"{action.kind}: {action.text}"
    return f"<{action.kind}>{action.text}</{action.kind}>"

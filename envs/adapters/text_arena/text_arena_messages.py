"""Parsing of the messages of a TextArena game."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ..shown_state import is_board

_GAME = -1  # the sender id of the game itself
_BOARD = "GAME_BOARD"
_STATES = ("GAME_MESSAGE", "GAME_ACTION_DESCRIPTION")  # where some games put their board
_WORDS = re.compile(r"\w+(?:, *\w+)*")


class Message(NamedTuple):
    """One message from the game."""

    text: str
    kind: str = ""


def read_messages(told: Any) -> list[Message]:
    """Return the game's own messages from one observation, a list of messages or plain text."""
    if not isinstance(told, list):
        return [Message(str(told), _BOARD)]
    return [Message(str(text), kind.name) for sender, text, kind in told if sender == _GAME]


def shown_board(messages: list[Message]) -> str:
    """Return the last board among the messages, or else the last multi-line state.

    Some moves are answered with two boards; the second is the current one.
    """
    boards = [message.text for message in messages if message.kind == _BOARD]
    states = [text for text, kind in messages if kind in _STATES and is_board(text)]
    return (boards or states or [""])[-1]


def named_actions(text: str) -> list[str]:
    """Return the moves listed after "available actions:" or "available moves:", such as [up]."""
    lists = re.findall(r"available (?:actions|moves): *(.+)", text, re.IGNORECASE)
    if not lists:
        return []
    listed = lists[-1].strip()
    bare = [f"[{word.strip()}]" for word in listed.split(",")] if _WORDS.fullmatch(listed) else []
    return list(dict.fromkeys(re.findall(r"\[[^\]]+\]", listed) or bare))

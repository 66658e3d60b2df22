"""Reads what a TextArena game says."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_GAME = -1  # the sender that is no player


class Message(NamedTuple):
    """One message of the game."""

    text: str
    is_board: bool = False


def read_messages(told: Any) -> list[Message]:
    """Return the game's own messages of one observation, which is a list of them or plain text."""
    if not isinstance(told, list):
        return [Message(str(told), is_board=True)]
    return [
        Message(str(text), kind.name == "GAME_BOARD")
        for sender, text, kind in told
        if sender == _GAME
    ]


def named_actions(text: str) -> list[str]:
    """Return the moves that a game lists after "available actions:", such as ``[up]``."""
    listed = re.search(r"available actions: (.+)", text, re.IGNORECASE)
    return list(dict.fromkeys(re.findall(r"\[[^\]]+\]", listed[1]))) if listed else []

"""Which earlier call of an episode a call continues: the one whose messages it begins with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from rllib_gigpo.agent_programs.chat.chat_request import ChatRequest, Message
from rllib_gigpo.prompting.prompt_record import ChatTurn


class ChatHistory:
    """The finished turns of an episode's chats, by the messages up to their answers.

    A call continues a turn if it begins with exactly these messages, the answer's included, and
    offers the same tools. Several calls may continue the same turn: the chat then branches.
    """

    def __init__(self) -> None:
        """Start without a turn."""
        self._turns: dict[bytes, ChatTurn] = {}

    def add(self, request: ChatRequest, answer: Message, turn: ChatTurn) -> None:
        """Add a finished turn.

        Args:
            request: The call.
            answer: The message that it was answered with.
            turn: The prompt and the sampled answer.
        """
        *_, key = _keys([*request.messages, answer], request)
        self._turns[key] = turn

    def find(self, request: ChatRequest) -> tuple[ChatTurn, int] | None:
        """Return the turn that a call continues, and how many messages they share; or None.

        Args:
            request: The call.
        """
        found = None
        for num_shared, key in enumerate(_keys(request.messages[:-1], request), start=1):
            if key in self._turns:
                found = self._turns[key], num_shared
        return found


def _keys(messages: Sequence[Message], request: ChatRequest) -> Iterator[bytes]:
    """Yield, for each message, a key of the messages up to it; it also tells the tools apart."""
    hashed = hashlib.sha256(_json(request.tools))
    for message in messages:
        hashed.update(_json(message))
        yield hashed.digest()


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode() + b"\n"

"""Which earlier call of an episode a call continues: the one whose messages it begins with."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rllib_gigpo.agent_programs.chat.chat_request import ChatRequest, Message
from rllib_gigpo.prompting.prompt_record import ChatTurn


class ChatHistory:
    """The finished turns of an episode's chats, by the messages up to their answers.

    A call continues a turn if it begins with exactly these messages, the answer's included, and
    offers the same tools. Several calls may continue the same turn: the chat then branches.
    """

    def __init__(self) -> None:
        """Start without a turn."""
        self._turns: dict[str, ChatTurn] = {}

    def add(self, request: ChatRequest, answer: Message, turn: ChatTurn) -> None:
        """Add a finished turn.

        Args:
            request: The call.
            answer: The message that it was answered with.
            turn: The prompt and the sampled answer.
        """
        self._turns[_key([*request.messages, answer], request)] = turn

    def find(self, request: ChatRequest) -> tuple[ChatTurn, int] | None:
        """Return the turn that a call continues, and how many messages they share; or None.

        Args:
            request: The call.
        """
        messages = request.messages
        for num_shared in range(len(messages) - 1, 0, -1):
            if messages[num_shared - 1]["role"] != "assistant":
                continue
            turn = self._turns.get(_key(messages[:num_shared], request))
            if turn is not None:
                return turn, num_shared
        return None


def _key(messages: Sequence[Message], request: ChatRequest) -> str:
    return json.dumps([messages, request.tools], sort_keys=True)

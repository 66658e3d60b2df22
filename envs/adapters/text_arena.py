"""TextArena: its games for one player."""

from __future__ import annotations

from typing import Any

import gymnasium

from ..backends import import_backend
from ..contract import ADMISSIBLE_ACTIONS, ANCHOR, TAGS, TASK, WON, text_space
from .global_random import OwnRandomState
from .text_arena_messages import Message, named_actions, read_messages


class TextArenaEnv(gymnasium.Env[str, str]):
    """One game of TextArena; the first message is the task, the board is the anchor.

    Args:
        name: Its TextArena id, such as "FrozenLake-v0-raw".
    """

    def __init__(self, name: str = "FrozenLake-v0-raw") -> None:
        self._arena, self._name = import_backend("textarena", extra="textarena"), name
        self._game: Any = None
        self.observation_space, self.action_space = text_space(10_000), text_space(10_000)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin the game of ``seed``."""
        super().reset(seed=seed)
        number = int(self.np_random.integers(2**31))
        self._random = OwnRandomState(number)
        with self._random:
            self._game = self._arena.make(self._name)
            self._game.reset(num_players=1, seed=number)
            messages = read_messages(self._game.get_observation()[1])
        self._task = messages[0].text if len(messages) > 1 else f"Play {self._name}."
        return self._answer(messages[1:] or messages, won=False)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Play one move; the reward comes when the game is over."""
        with self._random:
            try:
                done, _ = self._game.step(action)
                messages = [] if done else read_messages(self._game.get_observation()[1])
            except Exception as error:  # games read moves with little care
                done, messages = False, [Message(f"The game could not read this: {error}", True)]
            rewards, ends = self._game.close() if done else ({}, {})
        reward = float((rewards or {}).get(0, 0.0))
        messages += [Message(str(end["reason"])) for end in ends.values() if "reason" in end]
        text, info = self._answer(messages, won=done and reward >= 1.0)
        return text, reward, bool(done), False, info

    def _answer(self, messages: list[Message], *, won: bool) -> Any:
        text = "\n".join(message.text for message in messages)
        board = "\n".join(message.text for message in messages if message.is_board) or text
        info = {TASK: self._task, WON: won, ANCHOR: board, TAGS: [self._name]}
        actions = named_actions(text)
        return text, info | ({ADMISSIBLE_ACTIONS: actions} if actions else {})

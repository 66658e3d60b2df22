"""TextArena: its games for one player."""

from __future__ import annotations

from typing import Any

from ...contract import ADMISSIBLE_ACTIONS, ANCHOR, TAGS, TASK, WON
from ..adapter import AdapterEnv, Answer
from ..global_random import OwnRandomState
from ..shown_state import ShownState, in_short
from .text_arena_games import check_playable, make_game
from .text_arena_messages import Message, named_actions, read_messages, shown_board


class TextArenaEnv(AdapterEnv):
    """One game of TextArena; the first message is the task, the board is the anchor.

    Args:
        name: Its TextArena id, such as "FrozenLake-v0-raw".
    """

    def __init__(self, name: str = "FrozenLake-v0-raw") -> None:
        super().__init__(name=name)
        check_playable(name)
        self._name = name

    def _open(self) -> Any:
        return make_game(self._name)

    def _begin(self, seed: int) -> tuple[str, dict[str, Any]]:
        number = int(self.np_random.integers(2**31))
        self._random, self._state = OwnRandomState(number), ShownState()
        self._actions: list[str] = []
        self.close()  # each episode needs a new game
        with self._random:
            self._game.reset(num_players=1, seed=number)
            messages = read_messages(self._game.get_observation()[1])
        self._task = messages[0].text if len(messages) > 1 else f"Play {self._name}."
        return self._answer("", messages[1:] or messages, won=False)

    def _play(self, action: str) -> Answer:
        with self._random:
            try:
                done, _ = self._game.step(action)
                messages = [] if done else read_messages(self._game.get_observation()[1])
            except Exception as error:  # games parse moves carelessly
                done, messages = False, [Message(f"The game cannot read it: {in_short(error)}")]
            rewards, ends = self._game.close() if done else ({}, {})
        reward = float((rewards or {}).get(0, 0.0))
        messages += [Message(str(end["reason"])) for end in ends.values() if "reason" in end]
        text, info = self._answer(action, messages, won=done and reward >= 1.0)
        return text, reward, done, False, info

    def _answer(self, action: str, messages: list[Message], *, won: bool) -> Any:
        text = "\n".join(message.text for message in messages)
        anchor = self._state.anchor(action=action, answer=text, board=shown_board(messages))
        info = {TASK: self._task, WON: won, ANCHOR: anchor, TAGS: [self._name]}
        self._actions = named_actions(text) or self._actions
        return text, info | ({ADMISSIBLE_ACTIONS: self._actions} if self._actions else {})

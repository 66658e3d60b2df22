"""GEM (gem-llm): its text games."""

from __future__ import annotations

from typing import Any

from ...contract import ANCHOR, TAGS, TASK, WON
from ..adapter import AdapterEnv, Answer
from ..global_random import OwnRandomState
from ..shown_state import ShownState, in_short, is_board
from .gem_games import make_game


class GemEnv(AdapterEnv):
    r"""One environment of GEM; an action is the text that GEM expects between \boxed{ and }.

    Args:
        name: Its id in GEM, such as "game:GuessTheNumber-v0-easy".
    """

    def __init__(self, name: str = "game:GuessTheNumber-v0-easy") -> None:
        super().__init__(name=name)
        self._name = name
        self._ensure_open()

    def _open(self) -> Any:
        return make_game(self._name)

    def _begin(self, seed: int) -> tuple[str, dict[str, Any]]:
        number = int(self.np_random.integers(2**31))
        self._random, self._state = OwnRandomState(number), ShownState()
        with self._random:
            self._task, facts = self._game.reset(seed=number)
        suffix = str(facts.get("suffix", ""))
        return suffix or "Begin.", self._info("", "", suffix, won=False)

    def _play(self, action: str) -> Answer:
        boxed = action if "\\boxed" in action else f"\\boxed{{{action}}}"
        with self._random:
            try:
                text, reward, terminated, truncated, facts = self._game.step(boxed)
            except Exception as error:  # games parse answers carelessly
                return self._unreadable(action, error)
        terminated = terminated and not truncated  # at its turn limit, GEM sets both
        won = bool(terminated) and float(reward) > 0
        suffix = str(facts.get("suffix", ""))
        seen = "\n".join(part for part in (str(text), suffix) if part)
        info = self._info(action, str(text), suffix, won=won)
        return seen, reward, terminated, truncated, info

    def _unreadable(self, action: str, error: Exception) -> Answer:
        text = f"Unreadable: {in_short(error)}"
        return text, 0.0, False, False, self._info(action, text, "", won=False)

    def _info(self, action: str, answer: str, suffix: str, *, won: bool) -> dict[str, Any]:
        board = suffix if is_board(suffix) else ""
        anchor = self._state.anchor(action=action, answer=answer, board=board)
        return {TASK: self._task.strip(), WON: won, ANCHOR: anchor, TAGS: [self._name]}

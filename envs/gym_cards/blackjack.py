"""Blackjack in words on top of Gymnasium's environment: hit or stand against the dealer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.envs.toy_text.blackjack import BlackjackEnv, sum_hand, usable_ace

from ..common.option_checks import check_number
from ..common.word_game import WordGameEnv
from ..contract import ANCHOR, SCORE, TAGS, TASK
from .drawing import IMAGE_SHAPE, blank, draw_hand, draw_text

ACTIONS = ("stand", "hit")  # in the order of Gymnasium's numbers

_RESULTS = {1: "You win.", 0: "It is a draw.", -1: "You lose."}
_TASK = (
    "Win at blackjack: get closer to 21 than the dealer without going over. An ace A counts 11, or "
    "1 if 11 is too much. hit draws a card; stand lets the dealer draw until 17 or more."
)


class BlackjackTextEnv(WordGameEnv):
    """One hand of blackjack with "hit" and "stand", from an infinite deck.

    The reward is 1 for a win and 0 for a draw. The seed determines all cards, including those still
    to be drawn.

    Args:
        max_steps: Steps after which an unfinished episode is truncated.
        observation: "text" or "image".
        loss_reward: Reward of a lost hand; 0 in verl-agent, -1 in Gymnasium.
    """

    def __init__(
        self, *, max_steps: int = 15, observation: str = "text", loss_reward: float = 0.0
    ) -> None:
        """Check the options."""
        check_number("loss_reward", loss_reward, low=-100, high=0)
        super().__init__(
            words=ACTIONS, max_steps=max_steps, observation=observation, image_shape=IMAGE_SHAPE
        )
        self._loss_reward = float(loss_reward)
        self._table = BlackjackEnv()
        self._result: int | None = None

    def _draw_task(self) -> None:
        self._table.reset(seed=int(self.np_random.integers(2**31)))
        self._result = None

    def _play(self, word: str) -> float:
        _, reward, has_ended, _, _ = self._table.step(ACTIONS.index(word))
        if has_ended:
            self._result = int(np.sign(reward))
        return self._loss_reward if reward < 0 else float(reward)

    def _has_ended(self) -> bool:
        return self._result is not None

    def _has_won(self) -> bool:
        return self._result == 1

    def _hand(self) -> tuple[int, bool, int]:
        """Return the player's sum, whether an ace in it counts 11, and the dealer's open card."""
        player = self._table.player
        return sum_hand(player), bool(usable_ace(player)), self._table.dealer[0]

    def _dealer_cards(self) -> list[str]:
        """Name the dealer's cards, with "?" for hidden ones."""
        cards = _names(self._table.dealer)
        return cards if self._has_ended() else [cards[0], "?"]

    def _text(self) -> str:
        total, _, _ = self._hand()
        lines = [
            f"Your cards: {', '.join(_names(self._table.player))} (sum {total})",
            f"Dealer's cards: {', '.join(self._dealer_cards())}",
        ]
        return "\n".join(lines if self._result is None else [*lines, _RESULTS[self._result]])

    def _image(self) -> np.ndarray:
        canvas = blank()
        draw_text(canvas, "DEALER", top=12, left=20, scale=3)
        draw_hand(canvas, self._dealer_cards(), top=42)
        draw_text(canvas, "YOU", top=158, left=20, scale=3)
        draw_hand(canvas, _names(self._table.player), top=188)
        return canvas

    def _state_info(self) -> dict[str, Any]:
        return {
            TASK: _TASK,
            ANCHOR: self._anchor(),
            SCORE: float(self._result or 0),
            TAGS: ["gym_cards", "blackjack"],
        }

    def _anchor(self) -> str:
        """Describe what matters from here on, which excludes the cards that make up the sum."""
        total, is_soft, dealer_card = self._hand()
        ace = " with an ace as 11" if is_soft else ""
        end = "" if self._result is None else f"; {_RESULTS[self._result]}"
        return f"sum {total}{ace}; dealer {dealer_card}{end}"

    def _expert_word(self) -> str:
        return "hit" if should_hit(*self._hand()) else "stand"


def should_hit(total: int, is_soft: bool, dealer_card: int) -> bool:
    """Return whether basic strategy hits; it has the best mean result if a loss counts -1.

    Args:
        total: The player's sum.
        is_soft: Whether an ace in it counts 11.
        dealer_card: The dealer's open card, 1 for an ace.
    """
    if is_soft:
        return total <= 17 or (total == 18 and dealer_card in (1, 9, 10))
    if total <= 11 or total >= 17:
        return total <= 11
    return dealer_card not in ((4, 5, 6) if total == 12 else (2, 3, 4, 5, 6))


def _names(cards: Sequence[int]) -> list[str]:
    return ["A" if card == 1 else str(card) for card in cards]

"""Formulas from cards, token by token: EZPoints (two cards, 12) and Points24 (four cards, 24)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from ..common.option_checks import check_flag
from ..common.word_game import WordGameEnv
from ..contract import ANCHOR, SCORE, TAGS, TASK
from .drawing import IMAGE_SHAPE, blank, draw_hand, draw_text, rank_name
from .formula import evaluate
from .points_solver import solutions

WIN_REWARD = 10.0
NUMBERS = tuple(str(number) for number in range(1, 11))
EQUALS = "="

_KING = 13


class PointsGameEnv(WordGameEnv):
    """A game of writing a formula that uses each card's number once and equals the target.

    An action appends a number or a sign; "=" ends the game, with a reward of 10 for a correct
    formula and 0 for any other. A number that no unused card has is ignored, with reward 0. An ace
    counts 1, a face card 10. A formula of more than ``max_formula`` tokens truncates the episode.
    """

    name: ClassVar[str]
    signs: ClassVar[str]
    target: ClassVar[int]
    max_formula: ClassVar[int]

    def __init__(self, *, max_steps: int, observation: str = "text") -> None:
        """Check the options."""
        super().__init__(
            words=(*NUMBERS, *self.signs, EQUALS),
            max_steps=max_steps,
            observation=observation,
            image_shape=IMAGE_SHAPE,
        )
        self._ranks: tuple[int, ...] = ()
        self._numbers: tuple[str, ...] = ()
        self._formula: list[str] = []
        self._is_closed = False

    @abstractmethod
    def _draw_ranks(self) -> tuple[int, ...]:
        """Draw the cards, from 1 (ace) to 13 (king)."""

    def _draw_task(self) -> None:
        self._ranks = self._draw_ranks()
        self._numbers = tuple(str(card_value(rank)) for rank in self._ranks)
        self._formula, self._is_closed = [], False

    def _play(self, word: str) -> float:
        if word == EQUALS:
            self._is_closed = True
            return WIN_REWARD if self._has_won() else 0.0
        if word in NUMBERS and word not in self._unused_numbers():
            self._remark = f"There is no unused card with the number {word}."
            return 0.0
        self._formula.append(word)
        return 0.0

    def _has_ended(self) -> bool:
        return self._is_closed

    def _is_cut_off(self) -> bool:
        return len(self._formula) > self.max_formula

    def _has_won(self) -> bool:
        return (
            self._is_closed
            and not self._unused_numbers()
            and self._value() == Fraction(self.target)
        )

    def _value(self) -> Fraction | None:
        return evaluate(self._formula)

    def _unused_numbers(self) -> list[str]:
        unused = list(self._numbers)
        for token in self._formula:
            if token in NUMBERS:
                unused.remove(token)
        return unused

    def _admissible_words(self) -> Sequence[str]:
        return (*dict.fromkeys(self._unused_numbers()), *self.signs, EQUALS)

    def _text(self) -> str:
        cards = ", ".join(rank_name(rank) for rank in self._ranks)
        formula = " ".join(self._formula) or "(empty)"
        value = self._value() if self._is_closed else None
        result = "" if not self._is_closed else f" = {'no number' if value is None else value}"
        return f"Cards: {cards}\nNumbers: {', '.join(self._numbers)}\nFormula: {formula}{result}"

    def _image(self) -> np.ndarray:
        canvas = blank()
        draw_hand(canvas, [rank_name(rank) for rank in self._ranks], top=40)
        closing = [EQUALS] if self._is_closed else []
        draw_text(canvas, "".join([*self._formula, *closing]), top=180, left=20, scale=3)
        return canvas

    def _state_info(self) -> dict[str, Any]:
        return {
            TASK: (
                f"Write a formula that equals {self.target} and uses the number of each card "
                "once, one number or sign a turn; = ends it. A counts 1, J, Q and K count 10."
            ),
            ANCHOR: self._text(),
            SCORE: float(self._has_won()),
            TAGS: ["gym_cards", self.name],
        }

    def _expert_word(self) -> str | None:
        length = len(self._formula)
        for formula in self._solutions(self._ranks):
            if formula[:length] == tuple(self._formula):
                return (*formula, EQUALS)[length]
        return None

    def _solutions(self, ranks: Sequence[int]) -> tuple[tuple[str, ...], ...]:
        operators = "".join(sign for sign in self.signs if sign not in "()")
        return solutions([card_value(rank) for rank in ranks], self.target, operators)


class EZPointsEnv(PointsGameEnv):
    """A game of making 12 from two cards with one "+" or "*"; every hand can be solved.

    The first card is not an ace, because no second card completes an ace to 12. The second card is
    the missing summand or, if the first divides 12, with probability 0.5 the missing factor.

    Args:
        max_steps: Steps after which an unfinished episode is truncated.
        observation: "text" or "image".
    """

    name = "ezpoints"
    signs = "+*"
    target = 12
    max_formula = 5

    def __init__(self, *, max_steps: int = 8, observation: str = "text") -> None:
        """Check the options."""
        super().__init__(max_steps=max_steps, observation=observation)

    def _draw_ranks(self) -> tuple[int, ...]:
        first = int(self.np_random.integers(2, _KING, endpoint=True))
        value = card_value(first)
        is_product = self.target % value == 0 and self.np_random.random() < 0.5
        missing = self.target // value if is_product else self.target - value
        second = missing if missing < 10 else int(self.np_random.integers(10, _KING, endpoint=True))
        return first, second


class Points24Env(PointsGameEnv):
    """A game of making 24 from four cards with + - * / and parentheses.

    Args:
        max_steps: Steps after which an unfinished episode is truncated.
        observation: "text" or "image".
        solvable_only: Whether to redraw hands without a solution, about one in five.
    """

    name = "points24"
    signs = "+-*/()"
    target = 24
    max_formula = 20

    def __init__(
        self, *, max_steps: int = 30, observation: str = "text", solvable_only: bool = False
    ) -> None:
        """Check the options."""
        check_flag("solvable_only", solvable_only)
        super().__init__(max_steps=max_steps, observation=observation)
        self._solvable_only = solvable_only

    def _draw_ranks(self) -> tuple[int, ...]:
        while True:
            ranks = tuple(self.np_random.integers(1, _KING, size=4, endpoint=True).tolist())
            if not self._solvable_only or self._solutions(ranks):
                return ranks


def card_value(rank: int) -> int:
    """Return a card's number: its rank, or 10 for jack, queen and king."""
    return min(rank, 10)

"""The example of an environment made of tools: a small generated database and a calculator."""

from __future__ import annotations

import random
from typing import Any

SHELVES = ("north", "south", "east", "west")
GOODS = ("apples", "bread", "candles", "dates", "eggs", "figs")


class StockRoom:
    """How many of two goods are there together? Each is counted on its shelf, and then added up.

    The class follows the shape that TRL's GRPOTrainer takes: nothing of it knows of training.
    """

    def reset(self, seed: int) -> str:
        """Generate the stock of ``seed`` and ask a question."""
        rng = random.Random(seed)
        self.asked = rng.sample(GOODS, 2)
        self._shelf = {good: rng.choice(SHELVES) for good in GOODS}
        self._count = {good: rng.randint(1, 9) for good in GOODS}
        self.seen = list[tuple[str, Any]]()
        self.won = False
        first, second = self.asked
        return f"How many {first} and {second} are there together?"

    def find(self, good: str) -> str:
        """Look up the shelf of a good.

        Args:
            good: The name of the good.
        """
        shelf = self._shelf[self._known(good)]
        self.seen.append((good, shelf))
        return shelf

    def count(self, good: str, shelf: str) -> int:
        """Count a good on a shelf.

        Args:
            good: The name of the good.
            shelf: Its shelf.
        """
        number = self._count[good] if self._shelf[self._known(good)] == shelf else 0
        self.seen.append((f"{good} on {shelf}", number))
        return number

    def add(self, a: int, b: int) -> int:
        """Add two numbers.

        Args:
            a: A number.
            b: Another one.
        """
        self.seen.append((f"{a} + {b}", a + b))
        return a + b

    def get_reward(self, answer: str | None) -> float:
        """Pay 1 for the right sum."""
        self.won = answer == str(sum(self._count[good] for good in self.asked))
        return float(self.won)

    def _known(self, good: str) -> str:
        if good not in self._shelf:
            raise ValueError(f"There is no good {good!r}; the goods are {', '.join(GOODS)}.")
        return good


def expert(room: StockRoom) -> dict[str, Any] | str:
    """Return the next step: find and count both goods, add up, answer."""
    known = dict(room.seen)
    numbers = list[int]()
    for good in room.asked:
        shelf = known.get(good)
        if shelf is None:
            return {"name": "find", "arguments": {"good": good}}
        number = known.get(f"{good} on {shelf}")
        if number is None:
            return {"name": "count", "arguments": {"good": good, "shelf": shelf}}
        numbers.append(number)
    total = known.get(f"{numbers[0]} + {numbers[1]}")
    if total is None:
        return {"name": "add", "arguments": {"a": numbers[0], "b": numbers[1]}}
    return str(total)


def known_facts(room: StockRoom) -> tuple[Any, ...]:
    """Return the state for the credit: the question and what is known, in any order."""
    return (*room.asked, frozenset(room.seen))

"""The example of an environment made of tools: a small generated database and a calculator."""

from __future__ import annotations

import random
from typing import Any

GOODS = ("apples", "bread", "dates", "figs")


class StockRoom:
    """How many of two goods are there together? Each is looked up, and then they are added up.

    The class follows the shape that TRL's GRPOTrainer takes: nothing of it knows of training.
    """

    def reset(self, seed: int) -> str:
        """Generate the stock of ``seed`` and ask a question."""
        rng = random.Random(seed)
        self._seed = seed
        self.asked = rng.sample(GOODS, 2)
        self._stock = {good: rng.randint(1, 5) for good in GOODS}
        self.seen = dict[str, int]()
        self.won = False
        first, second = self.asked
        return f"How many {first} and {second} are there together?"

    def count(self, good: str) -> int:
        """Look up how many pieces of a good there are.

        Args:
            good: The name of the good.
        """
        if good not in self._stock:
            raise ValueError(f"There is no good {good!r}; the goods are {', '.join(GOODS)}.")
        self.seen[good] = self._stock[good]
        return self._stock[good]

    def add(self, a: int, b: int) -> int:
        """Add two numbers.

        Args:
            a: A number.
            b: Another one.
        """
        self.seen[f"{a} + {b}"] = a + b
        return a + b

    def get_reward(self, answer: str | None) -> float:
        """Pay 1 for the right sum."""
        self.won = answer == str(sum(self._stock[good] for good in self.asked))
        return float(self.won)


def expert(room: StockRoom) -> dict[str, Any] | str:
    """Return the next step: look both goods up, add, answer."""
    first, second = (room.seen.get(good) for good in room.asked)
    if first is None:
        return {"name": "count", "arguments": {"good": room.asked[0]}}
    if second is None:
        return {"name": "count", "arguments": {"good": room.asked[1]}}
    total = room.seen.get(f"{first} + {second}")
    return {"name": "add", "arguments": {"a": first, "b": second}} if total is None else str(total)


def hasty_expert(room: StockRoom) -> dict[str, Any] | str:
    """Return what the expert does, or a guess: half of the time if nothing has been looked up.

    Demonstrations of it teach valid calls, and leave something to learn. The same state of a task
    has the same advice.
    """
    chance = max(0.0, 0.5 - 0.25 * len(room.seen))
    rng = random.Random(f"{room._seed} {sorted(room.seen)}")
    return str(rng.randint(2, 10)) if rng.random() < chance else expert(room)


def known_facts(room: StockRoom) -> tuple[Any, ...]:
    """Return the state for the credit: the question and what is known, in any order."""
    return (*room.asked, frozenset(room.seen.items()))

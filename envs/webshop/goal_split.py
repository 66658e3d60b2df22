"""The assignment of goals to seeds; test and training goals are disjoint for every worker."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..contract import FIRST_TEST_SEED
from .goals import Goal

_NUM_TEST_GOALS = 500


class GoalSplit:
    """A split of the shuffled goals: the first are for tests, the others for training.

    The split depends only on the list, not on a seed or the worker. A training goal with the same
    words as a test goal is left out, which happens if a product lists a value twice or two products
    are alike.

    Attributes:
        train: The goals of seeds below ``FIRST_TEST_SEED``.
        test: The goals of all other seeds.
    """

    def __init__(self, goals: Sequence[Goal], *, num_test_goals: int | None = None) -> None:
        """Split the goals.

        Args:
            goals: The goals in the order of the shuffled list.
            num_test_goals: Number of test goals, at least 1; None means 500 as in the original, or
                a quarter of the goals if there are fewer than 1,000.

        Raises:
            ValueError: No goal is left for training.
        """
        if num_test_goals is None:
            is_large = len(goals) >= 2 * _NUM_TEST_GOALS
            num_test_goals = _NUM_TEST_GOALS if is_large else max(1, len(goals) // 4)
        self.test = tuple(goals[:num_test_goals])
        held_out = {goal.instruction for goal in self.test}
        self.train = tuple(g for g in goals[num_test_goals:] if g.instruction not in held_out)
        if not self.train:
            raise ValueError(
                f"num_test_goals={num_test_goals} of {len(goals)} goals leaves none for training. "
                "Use a smaller number, or more products."
            )

    def goal(self, seed: int) -> Goal:
        """Return the goal of a seed; consecutive seeds have different goals until they repeat."""
        if seed >= FIRST_TEST_SEED:
            return self.test[(seed - FIRST_TEST_SEED) % len(self.test)]
        return self.train[seed % len(self.train)]

    def draw(self, rng: random.Random) -> Goal:
        """Draw a training goal according to the goals' weights."""
        return rng.choices(self.train, [goal.weight for goal in self.train])[0]

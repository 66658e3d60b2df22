"""Which goal a seed names: test goals and training goals are disjoint for every worker."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..contract import FIRST_TEST_SEED
from .goals import Goal

_NUM_TEST_GOALS = 500


class GoalSplit:
    """The first goals of the shuffled list are for tests, the others for training.

    The split depends on the list alone: not on a seed, nor on the worker. A training goal that
    reads like a test goal is left out: a product may list a value twice, and two may be alike.

    Attributes:
        train: The goals of seeds below ``FIRST_TEST_SEED``.
        test: The goals of all other seeds.
    """

    def __init__(self, goals: Sequence[Goal], *, num_test_goals: int | None = None) -> None:
        """Split the goals.

        Args:
            goals: In the order of the shuffled list.
            num_test_goals: How many are for tests, at least 1; None is 500 as in the original, or
                a quarter of the goals where there are fewer than 1,000.

        Raises:
            ValueError: If that leaves no goal for training.
        """
        if num_test_goals is None:
            is_large = len(goals) >= 2 * _NUM_TEST_GOALS
            num_test_goals = _NUM_TEST_GOALS if is_large else max(1, len(goals) // 4)
        self.test = tuple(goals[:num_test_goals])
        held_out = {goal.instruction for goal in self.test}
        self.train = tuple(g for g in goals[num_test_goals:] if g.instruction not in held_out)
        if not self.train:
            raise ValueError(
                f"num_test_goals={num_test_goals} of {len(goals)} goals leaves none for training: "
                "choose a smaller number, or more products."
            )

    def goal(self, seed: int) -> Goal:
        """Return the goal of a seed; consecutive seeds name different goals, then they repeat."""
        if seed >= FIRST_TEST_SEED:
            return self.test[(seed - FIRST_TEST_SEED) % len(self.test)]
        return self.train[seed % len(self.train)]

    def draw(self, rng: random.Random) -> Goal:
        """Draw a training goal by the goals' weights."""
        return rng.choices(self.train, [goal.weight for goal in self.train])[0]

"""The base of plans that fork: how many episodes, and in how many rounds."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from rllib_gigpo.group_plans.group_plan import ChosenStep, Fork, GroupPlan
from rllib_gigpo.options.records import require

_ROUNDING = 1e-9  # 0.29 * 100 is below 29


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkingPlan(GroupPlan):
    """Base of the plans in which a share of the episodes forks.

    Attributes:
        forked_share: Share of the group's episodes that fork, rounded down to whole episodes.
        rounds: In how many rounds, or more if `choose` returns fewer steps than are wanted; later
            rounds may fork off the forks of earlier ones.
    """

    forked_share: float = 0.5
    rounds: int = 1

    def __post_init__(self) -> None:
        """Check that the numbers are in range."""
        require(self, forked_share="> 0, < 1", rounds=">= 1")

    def num_starts(self, group_size: int) -> int:
        """Return how many episodes do not fork."""
        return group_size - math.floor(self.forked_share * group_size + _ROUNDING)

    def next_forks(
        self, steps: Sequence[ChosenStep], group_size: int, rng: np.random.Generator
    ) -> list[Fork]:
        """Return the forks of the next round; see the base class."""
        num_left = group_size - len({step.member for step in steps})
        per_round = math.ceil((group_size - self.num_starts(group_size)) / self.rounds)
        later = [step for step in steps if step.step > 0]  # a fork at step 0 is another start
        if not later:
            return []
        chosen = self.choose(later, steps, min(per_round, num_left), rng)
        return [step.fork for step in chosen]

    @abstractmethod
    def choose(
        self,
        candidates: Sequence[ChosenStep],
        steps: Sequence[ChosenStep],
        number: int,
        rng: np.random.Generator,
    ) -> Sequence[ChosenStep]:
        """Choose the steps to return to, which may be the same more than once.

        Args:
            candidates: The steps after the first of each episode, at least one.
            steps: All steps that the group has chosen.
            number: How many are wanted, at least 1; fewer may be returned.
            rng: See `next_forks`.
        """


def shuffled(steps: Sequence[ChosenStep], rng: np.random.Generator) -> list[ChosenStep]:
    """Return the steps in random order, so that a stable sort breaks ties at random."""
    return [steps[index] for index in rng.permutation(len(steps)).tolist()]


def one_per_state(steps: Sequence[ChosenStep]) -> list[ChosenStep]:
    """Return the first step of each state, in order."""
    firsts: dict[Hashable, ChosenStep] = {}
    for step in steps:
        firsts.setdefault(step.state, step)
    return list(firsts.values())

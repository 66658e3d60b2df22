"""Forks at random steps, spread evenly over the trees: the search of Tree-GRPO.

Paper: Tree Search for LLM Agent Reinforcement Learning, arXiv 2509.21240. A group has M trees, each
of which begins as one episode; in each of L rounds, N random steps of each tree are expanded. Here
M is the number of episodes that start at the reset, and the forks of a round go to the trees in
turn. The rule ``tree_grpo`` compares within trees and between them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import ClassVar

import numpy as np

from rllib_gigpo.group_plans.forking_plan import ForkingPlan
from rllib_gigpo.group_plans.group_plan import ChosenStep


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomForks(ForkingPlan):
    """Forks at random steps of each tree in turn; a step may be drawn again."""

    name: ClassVar[str] = "random"

    def choose(
        self,
        candidates: Sequence[ChosenStep],
        steps: Sequence[ChosenStep],
        number: int,
        rng: np.random.Generator,
    ) -> Sequence[ChosenStep]:
        """Draw from each tree in turn, the smallest first; see the base class."""
        trees = defaultdict[int, list[ChosenStep]](list)
        for step in candidates:
            trees[step.tree].append(step)
        sizes = Counter({step.member: step.tree for step in steps}.values())
        smallest_first = sorted(trees, key=lambda tree: sizes[tree])
        in_turn = (trees[tree] for tree in islice(cycle(smallest_first), number))
        return [tree[int(rng.integers(len(tree)))] for tree in in_turn]

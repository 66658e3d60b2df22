"""Groups of the grid world whose episodes fork, by the plans of the package."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tabular import GridWorld, GroupPlayer, MazeTasks, PlayedSteps, walk

from rllib_gigpo.group_plans.group_plan import ChosenStep, Fork, GroupPlan


@dataclass(slots=True)
class _Group:
    """The episodes of one task so far.

    Attributes:
        steps: What they chose.
        trees: By member, the member that it descends from.
        cells: (member, step) -> the cell before the step, of steps that were chosen.
    """

    steps: list[ChosenStep] = field(default_factory=list)
    trees: list[int] = field(default_factory=list)
    cells: dict[tuple[int, int], int] = field(default_factory=dict)

    def begin(self, fork: Fork | None) -> int:
        """Begin an episode, and return its member number."""
        member = len(self.trees)
        self.trees.append(member if fork is None else self.trees[fork.member])
        return member

    def add(self, member: int, step: int, cell: int, entropy: float) -> None:
        """Note a step that an episode chose; the cell is its state."""
        self.steps.append(ChosenStep(member, step, self.trees[member], cell, entropy))
        self.cells[member, step] = cell


@dataclass(frozen=True, slots=True)
class ForkedEpisodes(GroupPlayer):
    """Some episodes start at the reset, and others repeat the start of another one.

    Repeated steps are environment steps but no rows. They earn nothing, because only the last step
    of an episode does.

    Attributes:
        group_size: Episodes of each task.
        plan: Which of them fork, and where.
    """

    group_size: int
    plan: GroupPlan

    def play(
        self, world: GridWorld, policy: np.ndarray, tasks: MazeTasks, rng: np.random.Generator
    ) -> PlayedSteps:
        """Play round after round until the groups are full; see the base class."""
        groups = [_Group() for _ in tasks.starts]
        num_starts = self.plan.num_starts(self.group_size)
        begun: list[tuple[int, Fork | None]]
        begun = [(number, None) for number in range(len(groups)) for _ in range(num_starts)]
        rounds, num_repeated, num_from_reset = [], 0, 0
        while begun:
            rounds.append(self._round(world, policy, tasks, groups, begun, rng))
            num_repeated += sum(fork.step for _, fork in begun if fork)
            num_from_reset += sum(fork is None for _, fork in begun)
            begun = [
                (number, fork)
                for number, group in enumerate(groups)
                for fork in self._next(group, rng)
            ]
        columns = {name: np.concatenate([one[name] for one in rounds]) for name in rounds[0]}
        return PlayedSteps(
            **columns,
            num_from_reset=num_from_reset,
            num_env_steps=len(columns["moves"]) + num_repeated,
        )

    def _next(self, group: _Group, rng: np.random.Generator) -> list[Fork | None]:
        """Return the next forks of a group; where nothing can fork, the rest starts again."""
        num_left = self.group_size - len(group.trees)
        if not num_left:
            return []
        forks = self.plan.next_forks(group.steps, self.group_size, rng)[:num_left]
        return [*forks] or [None] * num_left

    def _round(
        self,
        world: GridWorld,
        policy: np.ndarray,
        tasks: MazeTasks,
        groups: list[_Group],
        begun: list[tuple[int, Fork | None]],
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        """Play episodes that begin at the same time, and note what they chose."""
        numbers = np.array([number for number, _ in begun])
        before = np.array([fork.step if fork else 0 for _, fork in begun])
        starts = [
            groups[number].cells[fork.member, fork.step] if fork else tasks.starts[number]
            for number, fork in begun
        ]
        members = np.array([groups[number].begin(fork) for number, fork in begun])
        places = zip(numbers.tolist(), members.tolist(), strict=True)
        trees = np.array([groups[number].trees[member] for number, member in places])
        left = MazeTasks(np.array(starts), tasks.goals[numbers], tasks.limits[numbers] - before)
        walked = walk(world, policy, left, rng)
        episodes = walked["trajectory_ids"]
        entropies = -(policy * np.log(np.maximum(policy, 1e-300))).sum(axis=1)
        of_rows = entropies[walked["goals"] * world.num_cells + walked["cells"]]
        rows = zip(
            numbers[episodes].tolist(),
            members[episodes].tolist(),
            (walked["step_ids"] + before[episodes]).tolist(),
            walked["cells"].tolist(),
            of_rows.tolist(),
            strict=True,
        )
        for number, member, step, cell, entropy in rows:
            groups[number].add(member, step, cell, entropy)
        return walked | {
            "group_ids": numbers[episodes],
            "trajectory_ids": numbers[episodes] * self.group_size + members[episodes],
            "tree_ids": numbers[episodes] * self.group_size + trees[episodes],
            "is_fork": before[episodes] > 0,
        }

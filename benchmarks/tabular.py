"""A tabular policy in a maze, trained with the project's own credit code; `GridWorld` first.

A task is a start, a goal and a limit of steps. The policy is a table of logits, one row per goal
and cell. `gridworld.py` and the commands in `learning/` share this module.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.anchors import exact_anchor_groups, next_labels
from rllib_gigpo.credit.returns import episode_returns, step_returns
from rllib_gigpo.credit.rules import CreditRule

MAZE = (
    "#########",
    "#   #   #",
    "# # # # #",
    "# #   # #",
    "# ##### #",
    "#   #   #",
    "### # ###",
    "#       #",
    "#########",
)
MOVES = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])
MOVE_NAMES = ("up", "down", "left", "right")
LEARNING_RATE, CRITIC_RATE = 0.03, 0.3


class GridWorld:
    """The maze with its C free cells numbered; a move into a wall has no effect.

    Attributes:
        num_cells: C.
        coordinates: (C, 2) int64, row and column of each cell.
        texts: The text of each cell.
        next_cell: (C, 4) int64, where each move leads.
    """

    def __init__(self) -> None:
        """Build the table of moves."""
        cells = [(y, x) for y, row in enumerate(MAZE) for x, c in enumerate(row) if c == " "]
        number = {cell: index for index, cell in enumerate(cells)}
        self.num_cells = len(cells)
        self.coordinates = np.array(cells)
        self.texts = [f"row{y} column{x}" for y, x in cells]
        self.next_cell = np.array(
            [
                [number.get((y + dy, x + dx), number[y, x]) for dy, dx in MOVES.tolist()]
                for y, x in cells
            ]
        )

    @cached_property
    def distances(self) -> np.ndarray:
        """The length of the shortest path, (C, C) int64 by goal and cell; -1 if there is none.

        Breadth-first search from all goals at once: a layer holds the cells that are first reached
        in that many moves.
        """
        is_reached = np.eye(self.num_cells, dtype=bool)
        distances = np.where(is_reached, 0, -1)
        for length in count(1):
            is_new = is_reached[:, self.next_cell].any(axis=2) & ~is_reached
            if not is_new.any():
                break
            distances[is_new] = length
            is_reached |= is_new
        return distances

    def draw_tasks(self, rng: np.random.Generator, num_tasks: int) -> np.ndarray:
        """Draw starts and goals, (2, num_tasks), never the same cell."""
        starts = rng.integers(0, self.num_cells, num_tasks)
        goals = (starts + rng.integers(1, self.num_cells, num_tasks)) % self.num_cells
        return np.stack([starts, goals])


@dataclass(frozen=True, slots=True)
class MazeTasks:
    """G tasks.

    Attributes:
        starts: (G,) int64, cells.
        goals: (G,) int64, cells; never the start.
        limits: (G,) int64, the most steps of an episode, at least 1.
    """

    starts: np.ndarray
    goals: np.ndarray
    limits: np.ndarray

    def repeated(self, times: int) -> MazeTasks:
        """Return each task ``times`` times, one after the other."""
        columns = (self.starts, self.goals, self.limits)
        return MazeTasks(*(np.repeat(column, times) for column in columns))

    @classmethod
    def with_limit(cls, cells: np.ndarray, max_steps: int) -> MazeTasks:
        """Give all tasks one limit; ``cells`` (2, G) are those of `GridWorld.draw_tasks`."""
        starts, goals = cells
        return cls(starts, goals, np.full(len(starts), max_steps))

    @classmethod
    def with_slack(cls, world: GridWorld, cells: np.ndarray, slack: float) -> MazeTasks:
        """Limit each task to ceil(slack * its shortest path) steps.

        Args:
            world: The maze.
            cells: (2, G) The starts and goals of `GridWorld.draw_tasks`.
            slack: Steps allowed over steps needed, at least 1.

        Raises:
            ValueError: No episode could reach the goal within the limit.
        """
        if slack < 1.0:
            raise ValueError(f"slack={slack} leaves fewer steps than a task needs; give 1 or more.")
        starts, goals = cells
        limits = np.ceil(slack * world.distances[goals, starts]).astype(np.int64)
        return cls(starts, goals, limits)


@dataclass(frozen=True, slots=True)
class PlayedSteps:
    """The R steps of some episodes, one row each, in any order.

    Attributes:
        group_ids: (R,) int64, the task of each row.
        trajectory_ids: (R,) int64, unique within the batch.
        tree_ids: (R,) int64, equal for episodes that fork off each other.
        step_ids: (R,) int64, from 0 along an episode.
        goals: (R,) int64, cells.
        cells: (R,) int64, the cell before the move.
        moves: (R,) int64.
        next_cells: (R,) int64, the cell after it.
        won: (R,) int64, 1 for a move to the goal.
        cut: (R,) int64, 1 for the last move of an episode that ran out of steps.
        is_fork: (R,) bool, whether the row's episode forked off another one.
        num_from_reset: Number of episodes that did not.
        num_env_steps: Steps that the environment took for all of them, at least the R rows.
    """

    group_ids: np.ndarray
    trajectory_ids: np.ndarray
    tree_ids: np.ndarray
    step_ids: np.ndarray
    goals: np.ndarray
    cells: np.ndarray
    moves: np.ndarray
    next_cells: np.ndarray
    won: np.ndarray
    cut: np.ndarray
    is_fork: np.ndarray
    num_from_reset: int
    num_env_steps: int

    @property
    def success(self) -> float:
        """The share of episodes that reached their goal, among those from the reset."""
        return float(self.won[~self.is_fork].sum()) / self.num_from_reset


def walk(
    world: GridWorld, policy: np.ndarray, tasks: MazeTasks, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Play one episode of each task: move all in step until each has won or reached its limit.

    Args:
        world: The maze.
        policy: (C * C, 4) The probability of each move, by goal and cell.
        tasks: G tasks.
        rng: Draws the moves.

    Returns:
        The columns of `PlayedSteps` that one episode determines; TRAJECTORY_IDS number the tasks.
    """
    cells, alive = tasks.starts.copy(), np.arange(len(tasks.starts))
    cumulative = policy.cumsum(axis=1)
    rows: list[np.ndarray] = []
    for step in range(int(tasks.limits.max())):
        before, goal = cells[alive], tasks.goals[alive]
        draws = rng.random((len(alive), 1))
        moves = (draws > cumulative[goal * world.num_cells + before]).sum(axis=1)
        moves = moves.clip(max=len(MOVES) - 1)
        after = cells[alive] = world.next_cell[before, moves]
        won = after == goal
        cut = ~won & (step + 1 == tasks.limits[alive])
        steps = np.full(len(alive), step)
        rows.append(np.stack([alive, steps, goal, before, moves, after, won, cut]))
        alive = alive[~won & ~cut]
    names_of_rows = ("trajectory_ids", "step_ids", "goals", "cells", "moves", "next_cells")
    columns = np.concatenate(rows, axis=1)
    return dict(zip((*names_of_rows, "won", "cut"), columns, strict=True))


class GroupPlayer(ABC):
    """How the episodes of a group are played."""

    @abstractmethod
    def play(
        self, world: GridWorld, policy: np.ndarray, tasks: MazeTasks, rng: np.random.Generator
    ) -> PlayedSteps:
        """Play a group of episodes for each task.

        Args:
            world: The maze.
            policy: (C * C, 4) The probability of each move, by goal and cell.
            tasks: G tasks.
            rng: Draws the moves.
        """


@dataclass(frozen=True, slots=True)
class IndependentEpisodes(GroupPlayer):
    """Every episode is played from the start of its task, without regard to the others.

    Attributes:
        group_size: Episodes of each task.
    """

    group_size: int

    def play(
        self, world: GridWorld, policy: np.ndarray, tasks: MazeTasks, rng: np.random.Generator
    ) -> PlayedSteps:
        """Play them; see the base class."""
        walked = walk(world, policy, tasks.repeated(self.group_size), rng)
        return PlayedSteps(
            **walked,
            group_ids=walked["trajectory_ids"] // self.group_size,
            tree_ids=walked["trajectory_ids"],
            is_fork=np.zeros(len(walked["moves"]), dtype=bool),
            num_from_reset=self.group_size * len(tasks.starts),
            num_env_steps=len(walked["moves"]),
        )


class Adam:
    """The optimiser of one table, arXiv 1412.6980."""

    def __init__(self, shape: tuple[int, ...], rate: float) -> None:
        """Start with moments of 0."""
        self._rate, self._step = rate, 0
        self._mean, self._square = np.zeros(shape), np.zeros(shape)

    def step(self, gradient: np.ndarray) -> np.ndarray:
        """Turn an ascent gradient into a change of the table."""
        self._step += 1
        self._mean += 0.1 * (gradient - self._mean)
        self._square += 0.001 * (gradient**2 - self._square)
        mean = self._mean / (1 - 0.9**self._step)
        square = self._square / (1 - 0.999**self._step)
        return self._rate * mean / (np.sqrt(square) + 1e-8)


@dataclass(slots=True)
class TableLearner:
    """A table of logits, and a table of values for rules with a critic."""

    world: GridWorld
    logits: np.ndarray
    values: np.ndarray
    optimizer: Adam

    @classmethod
    def new(cls, world: GridWorld) -> TableLearner:
        """Start with the uniform policy."""
        shape = (world.num_cells**2, len(MOVES))
        return cls(world, np.zeros(shape), np.zeros(shape[0]), Adam(shape, LEARNING_RATE))

    def policy(self) -> np.ndarray:
        """Return the probability of each move, (C * C, 4) by goal and cell."""
        exponentials = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def table_rows(self, goals: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Return the row of the tables for each goal and cell, (R,)."""
        return goals * self.world.num_cells + cells

    def learn(self, played: PlayedSteps, advantages: np.ndarray) -> None:
        """Take one step along the policy gradient, averaged over the rows."""
        rows, moves = self.table_rows(played.goals, played.cells), played.moves
        probabilities = self.policy()[rows]
        scores = -probabilities * advantages[:, None]
        scores[np.arange(len(moves)), moves] += advantages
        gradient = np.zeros_like(self.logits)
        np.add.at(gradient, rows, scores / len(moves))
        self.logits += self.optimizer.step(gradient)

    def learn_values(self, played: PlayedSteps, targets: np.ndarray) -> None:
        """Move the value of each visited state towards its mean target."""
        rows = self.table_rows(played.goals, played.cells)
        counts = np.bincount(rows, minlength=len(self.values))
        errors = np.bincount(rows, targets - self.values[rows], len(self.values))
        self.values += CRITIC_RATE * errors / np.maximum(counts, 1)


def cell_anchors(world: GridWorld, played: PlayedSteps) -> list[str]:
    """Return the anchor of each row: the text of its cell."""
    return [world.texts[cell] for cell in played.cells.tolist()]


@dataclass(slots=True)
class TableTrainer:
    """Plays, gives credit and learns.

    Attributes:
        learner: The tables.
        rule: Gives the advantages.
        player: Plays the groups.
        gamma: Discount of the step returns.
        anchors: Returns the anchor of each row of some steps, R texts.
        credit_s: Seconds spent in the rule so far.
        num_rows: Rows that it scored.
    """

    learner: TableLearner
    rule: CreditRule
    player: GroupPlayer
    gamma: float
    anchors: Callable[[GridWorld, PlayedSteps], list[str]] = cell_anchors
    credit_s: float = 0.0
    num_rows: int = 0

    def play(self, tasks: MazeTasks, rng: np.random.Generator) -> PlayedSteps:
        """Play a group of episodes for each task with the current policy."""
        return self.player.play(self.learner.world, self.learner.policy(), tasks, rng)

    def learn(self, played: PlayedSteps) -> Mapping[str, Any]:
        """Take one step along the policy gradient; return the columns that the rule saw."""
        columns = self.columns(played)
        start = time.perf_counter()
        advantages = self.rule(columns)
        self.credit_s += time.perf_counter() - start
        self.num_rows += len(played.moves)
        self.learner.learn(played, advantages.total)
        if advantages.value_targets is not None:
            self.learner.learn_values(played, advantages.value_targets)
        return columns

    def columns(self, played: PlayedSteps) -> dict[str, Any]:
        """Build the columns that credit rules read, (R,) each."""
        groups, steps = played.group_ids, played.step_ids
        trajectories = played.trajectory_ids
        rewards = played.won.astype(np.float64)
        anchors = self.anchors(self.learner.world, played)
        anchor_groups = exact_anchor_groups(anchors, groups)
        values = self.learner.values
        following = self.learner.table_rows(played.goals, played.next_cells)
        return {
            names.GROUP_IDS: groups,
            names.TAG_IDS: np.zeros_like(groups),
            names.TRAJECTORY_IDS: trajectories,
            names.TREE_IDS: played.tree_ids,
            names.STEP_IDS: steps,
            names.REWARDS: rewards,
            names.ROW_PENALTIES: np.zeros_like(rewards),
            names.ANCHORS: anchors,
            names.ACTION_IDS: played.moves,
            names.WON: np.isin(trajectories, trajectories[played.won == 1]),
            names.RESPONSE_LENGTHS: np.ones_like(groups),
            names.EPISODE_RETURNS: episode_returns(rewards, trajectories),
            names.STEP_RETURNS: step_returns(rewards, trajectories, steps, gamma=self.gamma),
            names.ANCHOR_GROUP_IDS: anchor_groups,
            names.NEXT_ANCHOR_GROUP_IDS: next_labels(anchor_groups, trajectories, steps),
            names.VALUES: values[self.learner.table_rows(played.goals, played.cells)],
            names.BOOTSTRAP_VALUES: values[following] * played.cut,
        }

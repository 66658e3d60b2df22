"""The exact success of a tabular policy on a fixed panel of tasks, by dynamic programming."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from measures import NUM_PANEL_TASKS, PanelOutcome

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tabular import GridWorld, MazeTasks

_SEED = 20_250_721  # the panel's own; no run draws from it


def panel_tasks(world: GridWorld, slack: float) -> MazeTasks:
    """Return the panel: the same starts and goals for every run, with limits by the slack."""
    cells = world.draw_tasks(np.random.default_rng(_SEED), NUM_PANEL_TASKS)
    return MazeTasks.with_slack(world, cells, slack)


def solve_panel(world: GridWorld, policy: np.ndarray, tasks: MazeTasks) -> PanelOutcome:
    """Compute the success and the steps of the successes of sampled episodes, without sampling.

    The probability w_t(g, c) of reaching goal g from cell c in at most t steps follows from

        w_0(g, c) = 1 if c = g, else 0
        w_t(g, c) = sum over the moves a of π(a | g, c) · w_{t-1}(g, next(c, a)),  w_t(g, g) = 1

    A task with limit L succeeds with probability w_L. Its successes take
    (L · w_L - sum over t < L of w_t) / w_L steps on average.

    Args:
        world: The maze, with C cells.
        policy: (C * C, 4) The probability of each move, by goal and cell.
        tasks: The panel.

    Returns:
        The means over the panel.
    """
    reached = np.eye(world.num_cells)
    moves = policy.reshape(world.num_cells, world.num_cells, -1)
    chances = [reached]  # w_t, (C, C) by goal and cell
    for _ in range(int(tasks.limits.max())):
        reached = (moves * reached[:, world.next_cell]).sum(axis=2)
        np.fill_diagonal(reached, 1.0)
        chances.append(reached)
    by_step = np.stack(chances)[:, tasks.goals, tasks.starts]  # (most steps + 1, N)
    success = by_step[tasks.limits, np.arange(len(tasks.limits))]
    is_before = np.arange(len(by_step))[:, None] < tasks.limits
    earlier = np.where(is_before, by_step, 0.0).sum(axis=0)
    steps = tasks.limits - earlier / np.maximum(success, np.finfo(np.float64).tiny)
    return PanelOutcome.of(success, steps)

"""Runs of the cells of the grid world's map."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from grid_axes import Cell
from grid_panel import panel_tasks, solve_panel
from grid_states import STATES, UniqueAnchors
from measures import area_under
from run_files import PlannedRun

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tabular import GridWorld, MazeTasks, TableLearner, TableTrainer

from rllib_gigpo import columns as names
from rllib_gigpo.credit.group_statistics import group_sizes

CHOICES_SHARE = 0.6  # of the budget; forks spend the rest on steps that they repeat
_TASKS, _MOVES, _ANCHORS = range(3)  # the streams of random numbers of a seed


def train(cell: Cell, seed: int) -> dict[str, Any]:
    """Train one policy and measure it.

    No update uses a step beyond the budget: the last iteration counts in the curve up to the
    budget, and the panel measures the policy that played it.

    Args:
        cell: The settings.
        seed: Draws the tasks, the moves and the unique anchors from separate streams, so cells with
            equally many tasks an iteration get the same ones.

    Returns:
        The settings; ``steps``, ``choices`` (steps without those that forks repeat) and
        ``success``, one entry per iteration as in `area_under`; the ``MEASURES``: ``area``,
        ``panel_success``, ``panel_steps`` (of successes), ``recurring``, the share of the learned
        steps that share their anchor with another one, and ``area_of_choices``, the area over the
        first choices, which stand for generated tokens; and the costs ``seconds`` and
        ``credit_us_per_row``.
    """
    start = time.perf_counter()
    world = GridWorld()
    task_rng, rng, anchor_rng = (
        np.random.default_rng([seed, stream]) for stream in (_TASKS, _MOVES, _ANCHORS)
    )
    anchors = UniqueAnchors(STATES[cell.state], cell.p_unique, anchor_rng)
    learner = TableLearner.new(world)
    trainer = TableTrainer(learner, cell.credit_rule(), cell.player(), cell.gamma, anchors)
    steps, choices, success, total, num_recurring = [], [], [], 0, 0
    while total < cell.budget:
        cells = world.draw_tasks(task_rng, cell.num_groups)
        played = trainer.play(MazeTasks.with_slack(world, cells, cell.slack), rng)
        total += played.num_env_steps
        steps.append(total)
        choices.append(len(played.moves))
        success.append(played.success)
        if total <= cell.budget:
            columns = trainer.learn(played)
            num_recurring += int((group_sizes(columns[names.ANCHOR_GROUP_IDS]) > 1).sum())
    outcome = solve_panel(world, learner.policy(), panel_tasks(world, cell.slack))
    num_rows = max(trainer.num_rows, 1)
    return {
        "cell": cell.settings(),
        "seed": seed,
        "steps": steps,
        "success": success,
        "choices": np.cumsum(choices).tolist(),
        "area": area_under(steps, success, cell.budget),
        "area_of_choices": area_under(
            np.cumsum(choices), success, int(CHOICES_SHARE * cell.budget)
        ),
        "panel_success": outcome.success,
        "panel_steps": outcome.steps_of_successes,
        "recurring": num_recurring / num_rows,
        "seconds": time.perf_counter() - start,
        "credit_us_per_row": 1e6 * trainer.credit_s / num_rows,
    }


@dataclass(frozen=True, slots=True)
class GridRun(PlannedRun):
    """A run of a cell of the grid world."""

    def train(self) -> dict[str, Any]:
        """Train; see the base class."""
        return train(self.cell, self.seed)

"""Runs of the cells of the map: training one, and one file for each that is finished."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from grid_axes import Cell
from grid_panel import panel_tasks, solve_panel
from grid_states import STATES, UniqueAnchors
from measures import area_under

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tabular import GridWorld, MazeTasks, TableLearner, TableTrainer

from rllib_gigpo import columns as names
from rllib_gigpo.credit.group_statistics import group_sizes

MEASURES = ("area", "panel_success", "panel_steps", "recurring", "area_of_choices")
CHOICES_SHARE = 0.6  # of the budget; forks spend the rest on steps that they repeat
_TASKS, _MOVES, _ANCHORS = range(3)  # the streams of random numbers of a seed
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Record = Mapping[str, Any]


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


# ---------------------------------------------------------------- files


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run and its file.

    Attributes:
        folder: The folder of all runs.
        cell: The settings.
        seed: The seed.
    """

    folder: Path
    cell: Cell
    seed: int

    @property
    def file(self) -> Path:
        """The file of the finished run."""
        return self.folder / self.cell.name / f"seed_{self.seed}.json"

    def execute(self) -> float:
        """Train, write the file whole or not at all, and return the seconds of the run."""
        record = train(self.cell, self.seed)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(record))
        part.replace(self.file)
        return record["seconds"]

    def read(self) -> Record:
        """Read the finished run.

        Raises:
            ValueError: The file is damaged, or it is of a run with other settings.
        """
        cure = "delete it to repeat the run"
        try:
            record = json.loads(self.file.read_text())
        except ValueError as error:
            raise ValueError(f"{self.file} is damaged ({error}); {cure}") from error
        expected = {"cell": self.cell.settings(), "seed": self.seed}
        missing = [
            name
            for name in (*expected, *MEASURES)
            if not isinstance(record, dict) or name not in record
        ]
        if missing:
            raise ValueError(f"{self.file} is damaged (it lacks {', '.join(missing)}); {cure}")
        for name, value in expected.items():
            if record[name] != value:
                raise ValueError(
                    f"{self.file} is of another run: its {name} is {record[name]}, not {value};"
                    f" {cure}, or use another --output"
                )
        return record


def unfinished(runs: Iterable[PlannedRun]) -> list[PlannedRun]:
    """Return the runs without a file, after checking the files of the others.

    Raises:
        ValueError: Files are damaged or of other runs; the message lists all of them.
    """
    missing, damaged = [], []
    for run in runs:
        if not run.file.exists():
            missing.append(run)
            continue
        try:
            run.read()
        except ValueError as error:
            damaged.append(str(error))
    if damaged:
        raise ValueError("\n".join(damaged))
    return missing


# ---------------------------------------------------------------- processes


def execute_all(runs: Sequence[PlannedRun], *, num_processes: int) -> Iterator[float]:
    """Execute runs in worker processes of one BLAS thread each; yield the seconds of each.

    An error or an interrupt cancels the runs that have not started; finished files stay.
    """
    # "spawn": NumPy reads the number of threads when a worker imports it.
    pool = ProcessPoolExecutor(num_processes, mp_context=get_context("spawn"))
    try:
        with _one_thread():
            futures = [pool.submit(run.execute) for run in runs]
        for future in as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that start meanwhile use one BLAS thread."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

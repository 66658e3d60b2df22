"""Runs of the map with language models: train to the budget, then play the panel."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from agent_axes import TASKS, TINY, AgentCell
from measures import NUM_PANEL_TASKS, PanelOutcome, area_under
from run_files import PlannedRun

# What the line of an iteration holds, by the path in the result.
WATCHED = {
    "success": "env_runners/success_rate",
    "env_steps": "env_runners/num_env_steps",
    "recurring": "credit/recurring_row_share",
}


@dataclass(frozen=True, slots=True)
class AgentRun(PlannedRun):
    """A run of a cell with a language model."""

    def train(self) -> dict[str, Any]:
        """Train; see the base class."""
        return train_cell(self.cell, self.seed, self.folder.parent / "panels")


def train_cell(cell: AgentCell, seed: int, panels: Path) -> dict[str, Any]:
    """Train one cell with one seed in this process, and play its panel.

    Args:
        cell: The cell.
        seed: The seed of the run: of its tasks, its answers and its mini-batches.
        panels: The folder of the panels, which are made when they are first needed.

    Returns:
        The settings, the measures, and a line for each iteration.
    """
    from rllib_gigpo.cli.experiment import apply_settings, load_experiment

    start_ray()
    task = TASKS[cell.task]
    config = load_experiment(TINY / task.experiment).config
    changes: list[tuple[str, Any]] = [*cell.changes.items(), ("seed", seed)]
    apply_settings(config, changes)
    config.tasks(panel=str(made_panel(config, panels, cell.place)))
    config.reporting(transcripts={"interval": 0})
    start = time.perf_counter()
    algorithm = config.build_algo()
    lines = list[dict[str, Any]]()
    try:
        while sum(line["env_steps"] for line in lines) < task.budget:
            lines.append(line_of(algorithm.train(), algorithm.last_batch))
        outcome = panel_outcome(algorithm)
    finally:
        algorithm.stop()
    return {
        "cell": cell.settings(),
        "seed": seed,
        **measured(lines, task.budget, task.token_budget),
        "panel_success": outcome.success,
        "panel_steps": outcome.steps_of_successes,
        "seconds": time.perf_counter() - start,
        "iterations": lines,
    }


@cache
def start_ray() -> None:
    """Start Ray once in this process, with as many threads as the process may use."""
    import ray
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    ray.init(include_dashboard=False, log_to_driver=False, num_cpus=2)


def line_of(result: Mapping[str, Any], batch: Mapping[str, Any]) -> dict[str, Any]:
    """Pick what the map needs of an iteration."""
    from rllib_gigpo import columns
    from rllib_gigpo.batch.own_rows import OwnRows
    from rllib_gigpo.reports.results import number

    lengths = OwnRows.of(batch).rows(batch[columns.RESPONSE_LENGTHS])
    line: dict[str, Any] = {name: number(result, path) for name, path in WATCHED.items()}
    return line | {
        "env_steps": int(line["env_steps"]),
        "choices": len(lengths),
        "generated_tokens": int(lengths.sum()),
    }


def measured(lines: Sequence[Mapping[str, Any]], budget: int, token_budget: int) -> dict[str, Any]:
    """Return the measures of the training curve; see `run_files.MEASURES`.

    Args:
        lines: The iterations.
        budget: Environment steps.
        token_budget: Generated tokens.
    """
    success = [line["success"] for line in lines]
    steps, tokens, choices = (
        np.cumsum([line[name] for line in lines]).tolist()
        for name in ("env_steps", "generated_tokens", "choices")
    )
    recurring = sum(line["recurring"] * line["choices"] for line in lines) / choices[-1]
    return {
        "area": area_under(steps, success, budget),
        "area_of_choices": area_under(tokens, success, token_budget),
        "recurring": recurring,
    }


def panel_outcome(algorithm: Any) -> PanelOutcome:
    """Play the panel, each task once."""
    from rllib_gigpo.sampling.rollout_metrics import has_won

    episodes = algorithm.play_test_tasks().episodes
    return PanelOutcome.of(
        [float(has_won(episode)) for episode in episodes], [len(episode) for episode in episodes]
    )


def made_panel(config: Any, folder: Path, name: str) -> Path:
    """Return the panel of a task and a limit of steps, made from the test tasks of a config."""
    from rllib_gigpo.panels.maker import with_starts
    from rllib_gigpo.panels.panel import load_panel
    from rllib_gigpo.panels.task_start import split_paths

    file = folder / f"{name}.json"
    if file.exists():
        return file
    settings, paths = split_paths(config.env_config)
    first = config.first_test_task
    content = {
        "name": name,
        "version": 1,
        "env": config.env,
        "env_config": settings,
        "max_episode_steps": config.max_episode_steps,
        "decoding": {"seeds": [0], "temperature": 1.0},
        "tasks": [{"seed": seed} for seed in range(first, first + NUM_PANEL_TASKS)],
    }
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.{os.getpid()}.part.json"
    with_starts(load_panel(content), paths).save(part)
    part.replace(file)
    return file

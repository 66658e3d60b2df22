"""One run of the map with language models: train to the budget, then play the panel."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from agent_cells import NUM_PANEL_TASKS, TASKS, AgentCell

# What an iteration adds to its line, by the path in the result.
WATCHED = {
    "success": "env_runners/success_rate",
    "episode_length": "env_runners/episode_len_mean",
    "env_steps": "env_runners/num_env_steps",
    "replayed_steps": "env_runners/forks/num_replayed_steps",
    "recurring_row_share": "credit/recurring_row_share",
    "no_spread_share": "credit/anchor_group_no_spread_share",
    "grouping_s": "credit/anchor_grouping_s",
    "advantages_s": "credit/advantages_s",
    "seconds": "time_this_iter_s",
    "max_ratio_deviation_fresh": "learners/default_policy/max_ratio_deviation_fresh",
}


def train_cell(cell: AgentCell, seed: int, folder: Path) -> dict[str, Any]:
    """Train one cell with one seed in this process.

    Args:
        cell: The cell.
        seed: The seed of the run.
        folder: Where panels are kept.

    Returns:
        The record of the run, for a JSON file.
    """
    from rllib_gigpo.cli.experiment import apply_settings, load_experiment

    start_ray()
    task = TASKS[cell.task]
    config = load_experiment(task.experiment).config
    settings = {**cell.settings, "seed": seed}
    apply_settings(config, list(settings.items()))
    panel = folder / "panels" / f"{cell.task}_slack_{cell.slack:g}.json"
    config.tasks(panel=str(make_panel(config, panel)))
    config.reporting(transcripts={"interval": 0})
    start = time.perf_counter()
    algorithm = config.build_algo()
    iterations = list[dict[str, Any]]()
    try:
        while sum(line["env_steps"] for line in iterations) < task.budget:
            result = algorithm.train()
            iterations.append(line_of(result, algorithm.last_batch))
        outcome = play_panel(algorithm)
    finally:
        algorithm.stop()
    return {
        "cell": cell.name,
        "seed": seed,
        "budget": task.budget,
        "seconds": time.perf_counter() - start,
        "panel": outcome,
        "iterations": iterations,
    }


@cache
def start_ray() -> None:
    """Start Ray once in this process, without threads that others need."""
    import ray
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    ray.init(include_dashboard=False, log_to_driver=False, num_cpus=2)


def line_of(result: Mapping[str, Any], batch: Mapping[str, Any]) -> dict[str, Any]:
    """Pick what the map needs of an iteration."""
    from rllib_gigpo import columns
    from rllib_gigpo.batch.own_rows import OwnRows
    from rllib_gigpo.reports.results import ANCHOR_GROUP_SIZES, lookup, number

    line: dict[str, Any] = {name: number(result, path) for name, path in WATCHED.items()}
    line["env_steps"] = int(line["env_steps"])
    line["generated_tokens"] = int(OwnRows.of(batch).rows(batch[columns.RESPONSE_LENGTHS]).sum())
    line["anchor_group_sizes"] = dict(lookup(result, ANCHOR_GROUP_SIZES) or {})
    return line


def play_panel(algorithm: Any) -> dict[str, Any]:
    """Play the panel, and return success, steps of successes and the number of tasks."""
    from rllib_gigpo.sampling.rollout_metrics import has_won

    episodes = algorithm.play_test_tasks().episodes
    steps = [len(episode) for episode in episodes if has_won(episode)]
    return {
        "success": len(steps) / len(episodes),
        "steps_of_successes": sum(steps) / len(steps) if steps else None,
        "num_tasks": len(episodes),
    }


def make_panel(config: Any, file: Path) -> Path:
    """Make the panel of a task and a limit of steps, unless it exists."""
    from rllib_gigpo.panels.maker import with_starts
    from rllib_gigpo.panels.panel import load_panel
    from rllib_gigpo.panels.task_start import split_paths

    if file.exists():
        return file
    settings, paths = split_paths(config.env_config)
    first = config.first_test_task
    panel = load_panel(
        {
            "name": file.stem,
            "version": 1,
            "env": config.env,
            "env_config": settings,
            "max_episode_steps": config.max_episode_steps,
            "decoding": {"seeds": [0], "temperature": 1.0},
            "tasks": [{"seed": seed} for seed in range(first, first + NUM_PANEL_TASKS)],
        }
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.json")
    with_starts(panel, paths).save(part)
    part.replace(file)
    return file


def write_record(record: Mapping[str, Any], file: Path) -> None:
    """Write a record in one move; an interrupted run leaves no file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(record) + "\n")
    part.replace(file)

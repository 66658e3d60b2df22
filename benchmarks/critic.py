"""Measure the cost of a critic: time and memory of PPO's update over GiGPO's.

    python benchmarks/critic.py
    python benchmarks/critic.py --runs 2 --figures
    python benchmarks/critic.py --hidden 256 --layers 6 --rows 48

All sides train the same Qwen2 on the same rows and take turns in one process. PPO also computes the
values of all states before the update, which GiGPO does not need. Memory counts weights, gradients
and the optimiser's moments, but no activations. The figures are the ranges of ``--runs`` whole
runs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from figures import Figure, add_figures_option, result_figures, slug, write_figures
from learner import add_size_options, make_learner, make_rows, save_model, size_name

from rllib_gigpo.learner.gigpo_learner import GiGPOLearner
from rllib_gigpo.learner.training_rows import TrainingRows

SIDES: dict[str, dict[str, Any]] = {
    "gigpo": {},
    "ppo, head": {"rule": "ppo", "critic": "head"},
    "ppo, model": {"rule": "ppo", "critic": "model"},
}


def iteration(learner: GiGPOLearner, rows: Any) -> None:
    """Do one Learner iteration: the values, if there is a critic, then the update."""
    if learner.config.settings.loss.critic is not None:
        values = learner.values(rows)
        targets = values + np.linspace(-1.0, 1.0, len(values))
        rows = dataclasses.replace(
            rows,
            old_values=values.astype(np.float32),
            value_targets=targets.astype(np.float32),
        )
    learner.update(training_data=TrainingRows(rows=rows))


def state_bytes(learner: GiGPOLearner) -> int:
    """Return the bytes of weights, gradients and moments; a gradient is as large as its weight."""
    optimizer = learner._optimizer
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    moments = [
        value
        for state in optimizer.state.values()
        for value in state.values()
        if hasattr(value, "nbytes")
    ]
    return 2 * sum(p.nbytes for p in parameters) + sum(value.nbytes for value in moments)


def measure(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Time all sides in turns, after one untimed round."""
    rows = make_rows(args)
    with tempfile.TemporaryDirectory() as folder:
        save_model(folder, args)
        learners = {name: make_learner(folder, args, **side) for name, side in SIDES.items()}
        seconds: dict[str, list[float]] = {name: [] for name in SIDES}
        for repeat in range(args.repeats + 1):
            for name, learner in learners.items():
                start = time.perf_counter()
                iteration(learner, rows)
                if repeat:
                    seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    sizes = {name: state_bytes(learner) for name, learner in learners.items()}
    return {
        name: {
            "seconds": medians[name],
            "time_ratio": medians[name] / medians["gigpo"],
            "state_bytes": sizes[name],
            "memory_ratio": sizes[name] / sizes["gigpo"],
        }
        for name in SIDES
    }


def figures_of(size: str, runs: Sequence[dict[str, dict[str, float]]]) -> list[Figure]:
    """Make the figures of both critics: ranges of the time over whole runs."""
    figures = []
    for side in SIDES:
        if side != "gigpo":
            times = [results[side]["time_ratio"] for results in runs]
            values = {
                "time_over_gigpo_min": min(times),
                "time_over_gigpo_max": max(times),
                "state_over_gigpo": runs[0][side]["memory_ratio"],
            }
            figures += result_figures(f"critic/{size}/{slug(side)}", values, n=len(runs))
    return figures


def print_table(results: dict[str, dict[str, float]]) -> None:
    """Print seconds and megabytes of all sides."""
    print(f"{'':12}  {'seconds':>8}  {'x gigpo':>8}  {'MB':>8}  {'x gigpo':>8}")
    for name, row in results.items():
        print(
            f"{name:12}  {row['seconds']:>8.2f}  {row['time_ratio']:>8.2f}"
            f"  {row['state_bytes'] / 1e6:>8.1f}  {row['memory_ratio']:>8.2f}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    add_size_options(parser)
    parser.add_argument("--runs", type=int, default=1, help="repeat everything")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    runs = []
    for _ in range(args.runs):
        runs.append(measure(args))
        print_table(runs[-1])
    if args.json:
        args.json.write_text(json.dumps(runs[-1], indent=1) + "\n", encoding="utf-8")
    if args.figures:
        write_figures(figures_of(size_name(args), runs))


if __name__ == "__main__":
    main()

"""Train the main job in turns and with a staleness of 1, 2 and 4 policy versions.

    python benchmarks/async_learning.py --output results/async_learning [--figures]

Each run has one EnvRunner, its own process, and writes one JSON file. A run whose file exists is
skipped, so an interrupted command resumes. ``async_learning_kK`` is the success of the last five
iterations, as a mean over seeds; the interval is Student's, over seeds. The target of k = 1 is the
lower end of the interval of k = 0.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compare_rules import EXPERIMENT, final_success, machine, spread, test_success, write_json
from figures import Figure, add_figures_option, write_figures
from paired import paired_difference
from scipy import stats

ISSUE = 16
IN_TURNS = 0
STALENESS = (IN_TURNS, 1, 2, 4)

Records = Mapping[int, Sequence[Mapping[str, Any]]]


def main(argv: Sequence[str] | None = None) -> None:
    """Do the missing runs, then compare all runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--output", type=Path, default=Path("results/async_learning"))
    parser.add_argument("--staleness", nargs="+", type=int, choices=STALENESS, default=STALENESS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--one", nargs=2, type=int, metavar=("K", "SEED"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    if args.one:
        write_json(do_run(*args.one), run_file(args.output, *args.one))
        return
    for seed in args.seeds:
        for k in args.staleness:
            if not run_file(args.output, k, seed).exists():
                print(f"== staleness {k}, seed {seed}", flush=True)
                command = [sys.executable, __file__, "--one", str(k), str(seed)]
                subprocess.run([*command, "--output", str(args.output)], check=True)
    records = {
        k: [json.loads(run_file(args.output, k, seed).read_text()) for seed in args.seeds]
        for k in args.staleness
    }
    figures = figures_of(records)
    for figure in figures:
        print(f"{figure.name}: {figure.value:.3g} {figure.target or ''}")
    if args.figures:
        write_figures(figures)


def run_file(folder: Path, k: int, seed: int) -> Path:
    """Return the path of a run's record."""
    return folder / f"k{k}_seed{seed}.json"


def do_run(k: int, seed: int) -> dict[str, Any]:
    """Train in this process and return the run's record."""
    import ray

    from rllib_gigpo.cli.experiment import apply_settings, load_experiment
    from rllib_gigpo.cli.training.progress_display import PlainProgress
    from rllib_gigpo.reports.results import summarize

    experiment = load_experiment(EXPERIMENT)
    settings = [("num_env_runners", 1), ("max_staleness", k), ("seed", seed)]
    apply_settings(experiment.config, settings)
    num_iterations = experiment.stop["training_iteration"]
    display = PlainProgress({"training_iteration": num_iterations})
    ray.init("local", include_dashboard=False, log_to_driver=False)
    start = time.perf_counter()
    algorithm = experiment.config.build_algo()
    metrics = []
    for _ in range(num_iterations):
        result = algorithm.train()
        display.update("run", summarize(result))
        metrics.append(result["env_runners"])
    seconds = time.perf_counter() - start
    tested = algorithm.evaluate()["env_runners"]
    algorithm.stop()
    return {
        "max_staleness": k,
        "seed": seed,
        "seconds": seconds,
        "test_success": tested["success_rate"],
        "stale_token_share": statistics.fmean(one["stale_token_share"] for one in metrics),
        "staleness_mean": statistics.fmean(one["staleness_mean"] for one in metrics),
        "num_groups_stale": sum(one["num_groups_stale"] for one in metrics),
        "machine": machine(),
        "iterations": [asdict(summary) for summary in display.history["run"]],
    }


def figures_of(records: Records) -> list[Figure]:
    """Return the figures of each staleness, and its difference from training in turns."""
    figures = []
    target = None
    for k, runs in records.items():
        name, finals = f"async_learning_k{k}", [final_success(run) for run in runs]
        values = {
            f"{name}/unseen": statistics.fmean(test_success(run) for run in runs),
            f"{name}/stale_tokens": statistics.fmean(run["stale_token_share"] for run in runs),
            f"{name}/groups_stale": statistics.fmean(run["num_groups_stale"] for run in runs),
            f"{name}/minutes": statistics.fmean(run["seconds"] for run in runs) / 60,
        }
        if len(runs) > 1:
            half = float(stats.t.ppf(0.975, len(runs) - 1)) * spread(finals) / len(runs) ** 0.5
            mean = statistics.fmean(finals)
            values |= {f"{name}/low": mean - half, f"{name}/high": mean + half}
            if k == IN_TURNS:
                target = f">= {mean - half:.3f}"
            elif IN_TURNS in records:
                others = [final_success(run) for run in records[IN_TURNS]]
                values |= paired_difference(finals, others).values(f"{name}/gain")
        figures.append(
            Figure(ISSUE, name, statistics.fmean(finals), target if k == 1 else None, n=len(runs))
        )
        figures += [Figure(ISSUE, one, value, n=len(runs)) for one, value in values.items()]
    return figures


if __name__ == "__main__":
    main()

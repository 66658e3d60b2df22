"""Train SmolLM2-135M on TextWorld with GiGPO and GRPO, and test it on unseen games.

    make .venv/stamps/smollm2 && rllib import-model smollm2 --output models/smollm2
    python benchmarks/smollm2.py --output results/smollm2 [--figures]

The runs: the model as it comes (start), after the cold start (cold), and after training with each
rule and seed. Each has its own process and writes one JSON file with every test game. A run whose
file exists is skipped, so an interrupted command resumes. Minutes are only meaningful if nothing
else runs on the machine. The experiments are tuned_examples/smollm2/.
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

import process_memory
from compare_rules import machine, write_json
from figures import ROOT, Figure, add_figures_option, write_figures
from paired import paired_difference

from rllib_gigpo.reports import plots
from rllib_gigpo.sampling.rollout_metrics import wilson_interval

ISSUE = 15
EXAMPLES = ROOT / "tuned_examples" / "smollm2"
RULES = ("gigpo", "grpo")
PREFIXES = {"textworld": "smollm2", "search_qa": "smollm2_search_qa"}  # of the figures' names
TITLES = {"textworld": "TextWorld", "search_qa": "Search QA"}
START, COLD = "start", "cold"
TARGETS = {"minutes": "<= 30", "memory_gb": "<= 8"}


def main(argv: Sequence[str] | None = None) -> None:
    """Do the missing runs, then compare all that are there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--output", type=Path, default=Path("results/smollm2"))
    parser.add_argument("--task", default="textworld", choices=tuple(PREFIXES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES))
    parser.add_argument("--one", metavar="RUN", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    if args.one:
        write_json(do_run(args.one, args.task), args.output / f"{args.one}.json")
        return
    trained = [f"{rule}_seed{seed}" for seed in args.seeds for rule in args.rules]
    for name in (START, COLD, *trained):
        if not (args.output / f"{name}.json").exists():
            print(f"== {name}", flush=True)
            command = [sys.executable, __file__, "--one", name, "--task", args.task]
            subprocess.run([*command, "--output", str(args.output)], check=True)
    records = {
        name: json.loads((args.output / f"{name}.json").read_text())
        for name in (START, COLD, *trained)
    }
    print(table(records))
    curves = {
        rule: [record["success"] for name, record in records.items() if name.startswith(rule)]
        for rule in args.rules
    }
    figure = plots.mean_curves(curves, window=1, title=f"SmolLM2-135M on {TITLES[args.task]}")
    plots.save(figure, args.output / "learning.png")
    if args.figures:
        write_figures(figures_of(records, prefix=PREFIXES[args.task]))
        plots.save(figure, ROOT / "docs" / f"{PREFIXES[args.task]}_curve.png")


def do_run(name: str, task: str) -> dict[str, Any]:
    """Do one run in this process and return its record."""
    import ray

    from rllib_gigpo.cli.experiment import apply_settings, load_experiment
    from rllib_gigpo.cli.training.progress_display import PlainProgress
    from rllib_gigpo.recipes import smollm2_folder
    from rllib_gigpo.reports.results import summarize
    from rllib_gigpo.warm_start import read_report

    rule, _, seed = name.partition("_seed")
    is_trained = rule in RULES
    file = EXAMPLES / f"{task}_{rule if is_trained else RULES[0]}_smollm2.py"
    experiment = load_experiment(file)
    config, num_iterations = experiment.config, experiment.stop["training_iteration"]
    cold_start = read_report(config.model_path)
    settings: list[tuple[str, Any]] = [("seed", int(seed or 0))]
    if name == START:
        settings.append(("model_path", smollm2_folder()))
    apply_settings(config, settings)
    display = PlainProgress({"training_iteration": num_iterations})
    ray.init(include_dashboard=False, log_to_driver=False)
    start = time.perf_counter()
    algorithm = config.build_algo()
    try:
        for _ in range(num_iterations if is_trained else 0):
            display.update(name, summarize(algorithm.train()))
        train_s = time.perf_counter() - start
        won = test_games(algorithm)
    finally:
        algorithm.stop()
    iterations = [asdict(summary) for summary in display.history.get(name, [])]
    return {
        "run": name,
        "experiment": file.name,
        "cold_start_s": cold_start.demonstration_s + cold_start.fit_s,
        "train_s": train_s,
        "peak_bytes": process_memory.peak_bytes(),
        "won": won,
        "success": [iteration["success_rate"] for iteration in iterations],
        "machine": machine(),
        "iterations": iterations,
    }


def test_games(algorithm: Any) -> dict[str, bool]:
    """Play each test game once; return whether it was won, by the game's seed."""
    from rllib_gigpo import columns
    from rllib_gigpo.sampling.rollout_metrics import has_won

    episodes = algorithm.play_test_tasks().episodes
    return {str(one.custom_data[columns.TASK]): has_won(one) for one in episodes}


def rate(record: Mapping[str, Any]) -> float:
    """Return the success on the test games."""
    return statistics.fmean(record["won"].values())


def minutes(record: Mapping[str, Any]) -> float:
    """Return the minutes from the imported model to the trained one."""
    return (record["cold_start_s"] + record["train_s"]) / 60


def gain_over_cold(records: Mapping[str, Mapping[str, Any]], rule: str) -> Any:
    """Return the gain of a rule's runs over the cold start, paired by test game."""
    runs = [record for name, record in records.items() if name.startswith(rule)]
    cold = records[COLD]["won"]
    trained = [statistics.fmean(run["won"][game] for run in runs) for game in cold]
    return paired_difference(trained, [float(won) for won in cold.values()])


def table(records: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay out the success of each run with its interval, minutes and memory."""
    lines = [f"{'run':16}{'unseen games':>28}{'minutes':>10}{'peak, GB':>10}"]
    for name, record in records.items():
        low, high = wilson_interval(sum(record["won"].values()), len(record["won"]))
        success = f"{rate(record):.2f} [{low:.2f}, {high:.2f}]"
        cells = f"{minutes(record):>10.1f}{record['peak_bytes'] / 1e9:>10.1f}"
        lines.append(f"{name:16}{success:>28}" + (cells if record["success"] else ""))
    for rule in RULES:
        if any(name.startswith(rule) for name in records):
            gain = gain_over_cold(records, rule)
            points = f"{100 * gain.mean:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
            lines.append(f"{rule} over the cold start, paired by game: {points} points")
    return "\n".join(lines)


def figures_of(records: Mapping[str, Mapping[str, Any]], *, prefix: str) -> list[Figure]:
    """Make the figures; their names begin with ``prefix``."""
    figures = []
    for name, record in records.items():
        low, high = wilson_interval(sum(record["won"].values()), len(record["won"]))
        n = len(record["won"])
        figures += [
            Figure(ISSUE, f"{prefix}_{name}", rate(record), n=n),
            Figure(ISSUE, f"{prefix}_{name}/low", low, n=n),
            Figure(ISSUE, f"{prefix}_{name}/high", high, n=n),
        ]
    trained = [record for record in records.values() if record["success"]]
    n = len(trained)
    worst = {
        "minutes": max(map(minutes, trained)),
        "memory_gb": max(record["peak_bytes"] for record in trained) / 1e9,
    }
    figures += [
        Figure(ISSUE, f"{prefix}_{name}", value, TARGETS[name], n) for name, value in worst.items()
    ]
    for rule in RULES:
        if any(name.startswith(rule) for name in records):
            values = gain_over_cold(records, rule).values("gain_over_cold")
            target = "> 0" if rule == RULES[0] else None
            figures += [
                Figure(
                    ISSUE,
                    f"{prefix}_{rule}/{part}",
                    value,
                    target if part.endswith("low") else None,
                    n,
                )
                for part, value in values.items()
            ]
    return figures


if __name__ == "__main__":
    main()

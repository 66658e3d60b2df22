"""Compare all credit rules on a tabular grid world, with the project's own credit code.

    python benchmarks/gridworld.py --output results/gridworld

A task is a start and a goal in a maze of 9 x 9 cells. The policy is not a neural network but a
table of logits, one row per goal and cell, trained by Adam. The reward is 1 at the goal, an episode
has at most 40 steps, and an iteration has 16 tasks of 8 episodes. The same seed gives every variant
the same tasks. One JSON file per variant holds its finished seeds, so an interrupted command
resumes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from figures import Figure, add_figures_option, result_figures, slug, write_figures
from paired import PairedDifference, paired_difference
from tabular import GridWorld, IndependentEpisodes, MazeTasks, TableLearner, TableTrainer

from rllib_gigpo.credit.rules import make_rule
from rllib_gigpo.reports import plots

MAX_STEPS, GROUP_SIZE, NUM_GROUPS, GAMMA = 40, 8, 16, 0.95
LAST = 10  # the final success averages this many iterations

VARIANTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "gigpo": ("gigpo", {}),
    "gigpo, no A^S": ("gigpo", {"step_weight": 0.0}),
    "gigpo, no A^E": ("gigpo", {"episode_weight": 0.0}),
    "gigpo, F = std": ("gigpo", {"normalize_by_std": True}),
    "gigpo, omega 0.4": ("gigpo", {"step_weight": 0.4}),
    "gigpo, omega 1.2": ("gigpo", {"step_weight": 1.2}),
    "grpo": ("grpo", {}),
    "dr-grpo": ("grpo", {"normalize_by_std": False}),
    "rloo": ("rloo", {}),
    "reinforce_pp": ("reinforce_pp", {}),
    "reinforce_pp, group": ("reinforce_pp", {"return_baseline": "group"}),
    "step_reinforce": ("step_reinforce", {}),
    "hgpo": ("hgpo", {}),
    "hgpo + A^E": ("hgpo", {"episode_term": True}),
    "bipace_q": ("bipace_q", {}),
    "bipace_q + A^E": ("bipace_q", {"episode_term": True}),
    "proxmo": ("proxmo", {}),
    "anchor_gae": ("anchor_gae", {"gamma": GAMMA}),
    "graphgpo": ("graphgpo", {}),
    "g2po": ("g2po", {"gamma": GAMMA}),
    "bepo": ("bepo", {"gamma": GAMMA}),
    "ppo": ("ppo", {"gamma": GAMMA}),
}


def run(variant: str, seed: int, num_iterations: int) -> dict[str, Any]:
    """Train one policy; return its success per iteration, its seconds and its cost of credit."""
    name, options = VARIANTS[variant]
    learner = TableLearner.new(GridWorld())
    player = IndependentEpisodes(GROUP_SIZE)
    trainer = TableTrainer(learner, make_rule(name, **options), player, GAMMA)
    task_rng, rng = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    success = []
    start = time.perf_counter()
    for _ in range(num_iterations):
        cells = learner.world.draw_tasks(task_rng, NUM_GROUPS)
        played = trainer.play(MazeTasks.with_limit(cells, MAX_STEPS), rng)
        success.append(played.success)
        trainer.learn(played)
    return {
        "seed": seed,
        "success": success,
        "seconds": time.perf_counter() - start,
        "credit_us_per_row": 1e6 * trainer.credit_s / trainer.num_rows,
    }


def train_missing(variant: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the seeds that are missing from a variant's file; return all its records."""
    file = args.output / f"{variant.replace(', ', '_').replace(' ', '_')}.json"
    records = json.loads(file.read_text()) if file.exists() else []
    done = {record["seed"] for record in records if len(record["success"]) == args.iterations}
    records = [record for record in records if record["seed"] in done]
    for seed in range(args.seeds):
        if seed not in done:
            records.append(run(variant, seed, args.iterations))
            part = file.with_suffix(".part")
            part.write_text(json.dumps(records))
            part.replace(file)
    return [record for record in records if record["seed"] < args.seeds]


def table_lines(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Lay the variants out as a Markdown table, with differences to grpo paired by seed."""
    lines = [
        f"| variant | success, last {LAST} | mean over all | minus grpo, last {LAST} [95 %]"
        " | seconds a run | credit, µs a row |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for variant, records in results.items():
        values = summarize(records)
        found = over_grpo(variant, results)
        cells = [
            variant,
            f"{values['success_mean']:.3f} ± {values['success_std']:.3f}",
            f"{values['mean_over_all']:.3f}",
            f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]" if found else "",
            f"{values['seconds']:.1f}",
            f"{values['credit_us_per_row']:.2f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def summarize(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Average the seeds of one variant; the names are those of the figures."""
    finals = finals_of(records)
    return {
        "success_mean": statistics.fmean(finals),
        "success_std": statistics.stdev(finals),
        "mean_over_all": statistics.fmean(
            statistics.fmean(record["success"]) for record in records
        ),
        "seconds": statistics.fmean(record["seconds"] for record in records),
        "credit_us_per_row": statistics.median(record["credit_us_per_row"] for record in records),
    }


def finals_of(records: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the success in the last iterations, by seed."""
    by_seed = sorted(records, key=lambda record: record["seed"])
    return [statistics.fmean(record["success"][-LAST:]) for record in by_seed]


def over_grpo(
    variant: str, results: Mapping[str, Sequence[Mapping[str, Any]]]
) -> PairedDifference | None:
    """Compare a variant with grpo by seed; None for grpo itself and without runs of grpo."""
    if variant == "grpo" or "grpo" not in results or len(results["grpo"]) < 2:
        return None
    return paired_difference(finals_of(results[variant]), finals_of(results["grpo"]))


def figures_of(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Figure]:
    """Make the figures of all variants."""
    figures = []
    for variant, records in results.items():
        found = over_grpo(variant, results)
        values = summarize(records) | (found.values("over_grpo") if found else {})
        figures += result_figures(f"gridworld/{slug(variant)}", values, n=len(records))
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Train the missing runs, then compare all variants."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--output", type=Path, default=Path("results/gridworld"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    args = parser.parse_args(argv)
    args.output.mkdir(parents=True, exist_ok=True)
    results = {variant: train_missing(variant, args) for variant in args.variants}
    table = "\n".join(table_lines(results))
    (args.output / "table.md").write_text(table + "\n")
    best_first = sorted(results, key=lambda variant: -statistics.fmean(finals_of(results[variant])))
    curves = {
        variant: [record["success"] for record in results[variant]]
        for variant in best_first
        if "gigpo," not in variant
    }
    figure = plots.mean_curves(curves, title="tabular grid world")
    plots.save(figure, args.output / "gridworld.png")
    print(table)
    if args.figures:
        write_figures(figures_of(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())

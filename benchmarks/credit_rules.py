"""Time every credit rule on a real batch of the main job, per row and as a share of the iteration.

    python benchmarks/credit_rules.py

The command trains two iterations of the main job; every rule then gives credit to the batch of the
second, many times. The advantage step is the rule plus, for rules that compare states, the grouping
of anchors. ppo and hiper_critic are timed without their critic, which benchmarks/critic.py
measures, and istar without its second model; sub-goals change at every third step.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from figures import Figure, add_figures_option, result_figures, write_figures

from rllib_gigpo import columns
from rllib_gigpo.credit.anchors import exact_anchor_groups
from rllib_gigpo.credit.rules import RULES, make_rule

EXPERIMENT = (
    Path(__file__).resolve().parents[1] / "tuned_examples" / "tiny" / "textworld_gigpo_tiny.py"
)
LIMIT_US, LIMITS = 5, {"proxmo": 50, "bepo": 50}  # the targets of issue 20, µs a row
PHASES = ("sample_s", "credit_s", "learn_s", "sync_s")


def real_batch(experiment: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the columns of one iteration's batch, and the seconds of its phases."""
    import ray

    from rllib_gigpo.cli.experiment import load_experiment

    ray.init(include_dashboard=False, log_to_driver=False)
    algorithm = load_experiment(experiment).config.build_algo()
    algorithm.train()  # warm-up
    result = algorithm.train()
    batch = dict(algorithm.last_batch)
    algorithm.stop()
    ray.shutdown()
    return batch, {phase: result["timers"][phase] for phase in PHASES}


def median_s(action: Callable[[], Any], repeats: int) -> float:
    """Return the median seconds of ``action``, after one untimed call."""
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def measure(
    batch: dict[str, Any], iteration_s: float, repeats: int
) -> dict[str, Mapping[str, float]]:
    """Time every rule on ``batch``."""
    num_rows = len(batch[columns.REWARDS])
    num_tokens = int(batch[columns.RESPONSE_LENGTHS].sum())
    # What the main job does not have: a critic, a process reward model, and sub-goals.
    batch = {
        columns.VALUES: np.zeros(num_rows),
        columns.BOOTSTRAP_VALUES: np.zeros(num_rows),
        columns.IMPLICIT_REWARDS: np.random.default_rng(0).normal(size=num_rows),
        columns.SEGMENT_STARTS: batch[columns.STEP_IDS] % 3 == 0,
        columns.TOKEN_LEVELS: np.zeros(num_tokens, dtype=np.int8),
    } | batch
    anchors_s = median_s(
        lambda: exact_anchor_groups(batch[columns.ANCHORS], batch[columns.GROUP_IDS]), repeats
    )
    results = {}
    for name in RULES.known:
        rule = make_rule(name)
        rule_s = median_s(lambda: rule(batch), repeats)  # noqa: B023 - called before the next iteration
        total_s = rule_s + (anchors_s if columns.ANCHOR_GROUP_IDS in rule.needs else 0.0)
        results[name] = {
            "rule_us_per_row": 1e6 * rule_s / num_rows,
            "total_us_per_row": 1e6 * total_s / num_rows,
            "share_of_iteration": total_s / iteration_s,
        }
    return results


def figures_of(
    num_rows: int,
    phases: Mapping[str, float],
    results: Mapping[str, Mapping[str, float]],
    repeats: int,
) -> list[Figure]:
    """Make the figures of the batch and of every rule."""
    largest = max(row["total_us_per_row"] for row in results.values())
    batch = {
        "num_rows": num_rows,
        "pipeline_s": phases["credit_s"],
        "iteration_s": sum(phases.values()),
        "slowest_rule_ms": num_rows * largest / 1e3,
    }
    figures = result_figures("credit_rules", batch)
    for name, row in results.items():
        values = {
            "us_per_row": row["rule_us_per_row"],
            "us_per_row_with_anchors": row["total_us_per_row"],
        }
        figures += result_figures(f"credit_rules/{name}", values, n=repeats)
        limit = LIMITS.get(name, LIMIT_US)
        figures.append(
            Figure(20, f"credit_us_per_row/{name}", values["us_per_row"], f"<= {limit}", repeats)
        )
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--experiment", type=Path, default=EXPERIMENT)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    batch, phases = real_batch(args.experiment)
    iteration_s = sum(phases.values())
    num_rows = len(batch[columns.REWARDS])
    results = measure(batch, iteration_s, args.repeats)
    print(f"{num_rows} rows, iteration of {iteration_s:.1f} s")
    print(f"{'':16}  {'rule us/row':>12}  {'with anchors':>12}  {'of iteration':>12}")
    for name, row in results.items():
        print(
            f"{name:16}  {row['rule_us_per_row']:>12.2f}  {row['total_us_per_row']:>12.2f}"
            f"  {row['share_of_iteration']:>12.3%}"
        )
    if args.json:
        record = {"num_rows": num_rows, "iteration_s": iteration_s, "rules": results}
        args.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if args.figures:
        write_figures(figures_of(num_rows, phases, results, args.repeats))


if __name__ == "__main__":
    main()

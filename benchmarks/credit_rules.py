"""What each credit rule costs, on a real batch of the main job: a row, and of the iteration.

    python benchmarks/credit_rules.py

One iteration of the main job is sampled and trained on. Every rule then gives credit to its batch,
many times. The advantage step is the rule and, for rules that compare states, the grouping of
anchors. For ppo the critic is not in it: benchmarks/critic.py measures that.
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

from rllib_gigpo import columns
from rllib_gigpo.credit.anchors import exact_anchor_groups
from rllib_gigpo.credit.rules import RULES, make_rule

EXPERIMENT = (
    Path(__file__).resolve().parents[1] / "tuned_examples" / "tiny" / "textworld_gigpo_tiny.py"
)
PHASES = ("sample_s", "credit_s", "learn_s", "sync_s")


def real_batch(experiment: Path) -> tuple[dict[str, Any], float]:
    """The columns of one iteration's batch, and the iteration's seconds."""
    import ray

    from rllib_gigpo.cli.experiment import load_experiment

    ray.init(include_dashboard=False, log_to_driver=False)
    algorithm = load_experiment(experiment).config.build_algo()
    algorithm.train()  # the first one warms everything up
    result = algorithm.train()
    batch = dict(algorithm.last_batch)
    algorithm.stop()
    ray.shutdown()
    return batch, sum(result["timers"][phase] for phase in PHASES)


def median_s(action: Callable[[], Any], repeats: int) -> float:
    """Median seconds of ``action``, after one call that is not counted."""
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
    batch = {
        columns.VALUES: np.zeros(num_rows),
        columns.BOOTSTRAP_VALUES: np.zeros(num_rows),
    } | batch
    anchors_s = median_s(
        lambda: exact_anchor_groups(batch[columns.ANCHORS], batch[columns.GROUP_IDS]), repeats
    )
    results = {}
    for name in RULES.known:
        rule = make_rule(name)
        rule_s = median_s(lambda: rule(batch), repeats)  # noqa: B023 - called at once
        total_s = rule_s + (anchors_s if columns.ANCHOR_GROUP_IDS in rule.needs else 0.0)
        results[name] = {
            "rule_us_per_row": 1e6 * rule_s / num_rows,
            "total_us_per_row": 1e6 * total_s / num_rows,
            "share_of_iteration": total_s / iteration_s,
        }
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiment", type=Path, default=EXPERIMENT)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    batch, iteration_s = real_batch(args.experiment)
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


if __name__ == "__main__":
    main()

"""What a critic costs: time and memory of PPO's update over GiGPO's.

    python benchmarks/critic.py
    python benchmarks/critic.py --hidden 256 --layers 6 --rows 48

All sides train the same Qwen2 on the same rows and take turns in one process. PPO's side also
values all states before credit is given, which GiGPO does not need. Memory counts weights,
gradients and the optimiser's moments; activations come on top, and those of a second model too.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from learner import add_size_options, make_learner, make_rows, save_model

from rllib_gigpo.learner.gigpo_learner import GiGPOLearner
from rllib_gigpo.learner.training_rows import TrainingRows

SIDES: dict[str, dict[str, Any]] = {
    "gigpo": {},
    "ppo, head": {"rule": "ppo", "critic": "head"},
    "ppo, model": {"rule": "ppo", "critic": "model"},
}


def iteration(learner: GiGPOLearner, rows: Any) -> None:
    """What a Learner does in an iteration: values where there is a critic, then the update."""
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
    """Bytes of weights, gradients and optimiser; a gradient is as large as its weight."""
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_size_options(parser)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    results = measure(args)
    print(f"{'':12}  {'seconds':>8}  {'x gigpo':>8}  {'MB':>8}  {'x gigpo':>8}")
    for name, row in results.items():
        print(
            f"{name:12}  {row['seconds']:>8.2f}  {row['time_ratio']:>8.2f}"
            f"  {row['state_bytes'] / 1e6:>8.1f}  {row['memory_ratio']:>8.2f}"
        )
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Learning with prefix trees and without, and with other orders of the prompt, on the main job.

    python benchmarks/sharing_learning.py --seeds 0 1 2 3 4 --variants padded trees
    python benchmarks/sharing_learning.py --seeds 0 1 2 3 --variants history_last history_middle
    python benchmarks/sharing_learning.py --tables --figures

"padded" computes each row alone in mini-batches of whole episodes, "trees" has the defaults. The
other two are "trees" with a prompt that shares more: the history after everything else, or between
the observation and the possible actions; `compact.jinja` has it before the observation. A model is
fitted to demonstrations for each order. Each run writes one JSON file, and a run whose file exists
is skipped.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compare_rules import EXPERIMENT
from figures import Figure, add_figures_option, result_figures, write_figures
from paired import paired_difference

ISSUE = 14
NUM_ITERATIONS, WINDOW = 35, 5
GOAL = "{% if task %}\ngoal: {{ task }}\n{% endif %}\n"
OBSERVATION = '{{ observation.split() | join(" ") }}\n'
ACTIONS = '{% if admissible_actions %}\ncan: {{ admissible_actions | join("; ") }}\n{% endif %}\n'
HISTORY = (
    '{% if history %}\ndid: {{ history | map(attribute="action") | join("; ") }}\n{% endif %}\n'
)
TEMPLATES = {
    "history_last": GOAL + OBSERVATION + ACTIONS + HISTORY,
    "history_middle": GOAL + OBSERVATION + HISTORY + ACTIONS,
}
VARIANTS = ("padded", "trees", *TEMPLATES)


def main() -> None:
    """Do the missing runs; print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=["padded", "trees"])
    parser.add_argument("--output", type=Path, default=Path("results/sharing_learning"))
    parser.add_argument("--tables", action="store_true", help="only read the runs that exist")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run(args.one[0], int(args.one[1]), args.output)
        return
    args.output.mkdir(parents=True, exist_ok=True)
    for seed in args.seeds if not args.tables else ():
        for variant in args.variants:
            if not _file(args.output, variant, seed).exists():
                command = [sys.executable, __file__, "--one", variant, str(seed)]
                subprocess.run([*command, "--output", str(args.output)], check=True)
    results = {variant: read(args.output, variant) for variant in VARIANTS}
    figures = figures_of({variant: runs for variant, runs in results.items() if runs})
    for figure in figures:
        print(f"{figure.name:50}{figure.value:>10.3f}  n={figure.n}")
    if args.figures:
        write_figures(figures)


def _file(folder: Path, variant: str, seed: int) -> Path:
    return folder / f"{variant}_{seed}.json"


def make_config(variant: str, seed: int) -> Any:
    """Return the main job; another prompt gets its own start model, fitted to it."""
    from rllib_gigpo.cli.experiment import load_experiment

    config = load_experiment(EXPERIMENT).config
    if variant == "padded":
        config.learners(prefix_sharing=False, minibatch_by="episode")
    if variant in TEMPLATES:
        config.prompting(template=TEMPLATES[variant]).warm_start(
            env_config={"expert": True},
            demonstrations={"episodes_per_seed": 3, "random_label_probability": 0.8},
            fit={"num_epochs": 5},
        )
    return config.debugging(seed=seed)


def run(variant: str, seed: int, folder: Path) -> None:
    """Train once and write success on training tasks by iteration and on unseen tasks."""
    import ray

    config = make_config(variant, seed)
    ray.init(address="local", include_dashboard=False, log_to_driver=False)
    algorithm = config.build_algo()
    start = _unseen(algorithm)
    history = [_numbers(algorithm.train()) for _ in range(NUM_ITERATIONS)]
    record = {"start": start, "end": _unseen(algorithm), "hist": history}
    algorithm.stop()
    ray.shutdown()
    _file(folder, variant, seed).write_text(json.dumps(record) + "\n")
    print(f"{variant}, seed {seed}: unseen tasks {start:.2f} -> {record['end']:.2f}", flush=True)


def _unseen(algorithm: Any) -> float:
    return float(algorithm.evaluate()["env_runners"]["success_rate"])


def _numbers(result: Any) -> dict[str, float]:
    learner = result["learners"]["default_policy"]
    return {
        "success": result["env_runners"]["success_rate"],
        "shared": learner["shared_fraction"],
        "fresh": learner["max_ratio_deviation_fresh"],
    }


def read(folder: Path, variant: str) -> dict[int, dict[str, Any]]:
    """Return the runs of a variant that exist, by seed."""
    files = folder.glob(f"{variant}_*.json")
    runs = {int(file.stem.rpartition("_")[2]): json.loads(file.read_text()) for file in files}
    return dict(sorted(runs.items()))


def measures(one: dict[str, Any]) -> dict[str, float]:
    """Return the measures of a run."""
    success = [iteration["success"] for iteration in one["hist"]]
    return {
        "all": statistics.mean(success),
        "last_5": statistics.mean(success[-WINDOW:]),
        "unseen": one["end"],
        "shared_first": one["hist"][0]["shared"],
        "shared_last": one["hist"][-1]["shared"],
    }


def figures_of(results: dict[str, dict[int, dict[str, Any]]]) -> list[Figure]:
    """Return the means of each variant, and paired differences to the one that it changes."""
    figures = []
    for variant, runs in results.items():
        rows = [measures(one) for one in runs.values()]
        means = {name: statistics.mean(row[name] for row in rows) for name in rows[0]}
        figures += result_figures(f"sharing_learning/{variant}", means, n=len(rows), issue=ISSUE)
        base = {"padded": None, "trees": "padded"}.get(variant, "trees")
        if base in results:
            figures += _differences(variant, runs, results[base])
    return figures


def _differences(
    variant: str, runs: dict[int, dict[str, Any]], others: dict[int, dict[str, Any]]
) -> Sequence[Figure]:
    seeds = [seed for seed in runs if seed in others]
    values: dict[str, float] = {}
    for name in ("all", "unseen"):
        pairs = ([measures(one[seed])[name] for seed in seeds] for one in (runs, others))
        values |= paired_difference(*pairs).values(f"{name}_difference")
    return result_figures(f"sharing_learning/{variant}", values, n=len(seeds), issue=ISSUE)


if __name__ == "__main__":
    main()

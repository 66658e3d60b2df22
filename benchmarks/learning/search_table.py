"""Compare the values that a search of `rllib train` tried, over its seeds.

    rllib train file tuned_examples/recipes/delivery_omega_tune.py --output results/search
    python benchmarks/learning/search_table.py results/search/RUN --setting step_weight --base 1.0

Each value has the area under its success curve, up to the environment steps that all trials took,
and the success of its last iterations; the gain over the value ``--base`` is paired by seed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from measures import Comparison, area_under

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import figures as recorded  # in benchmarks/

from rllib_gigpo.reports.results import RESULT_FILE

ISSUE, WINDOW = 21, 5


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial of a search.

    Attributes:
        value: The value of the searched setting.
        seed: The seed.
        steps: Environment steps by the end of each iteration.
        success: Mean success of each iteration's episodes.
    """

    value: float
    seed: int
    steps: Sequence[int]
    success: Sequence[float]

    @classmethod
    def read(cls, folder: Path, setting: str) -> Trial:
        """Read the folder of a finished trial."""
        params = json.loads((folder / "params.json").read_text())
        lines = [json.loads(line) for line in (folder / RESULT_FILE).read_text().splitlines()]
        played = [line["env_runners"] for line in lines]
        steps = accumulate(int(one["num_env_steps"]) for one in played)
        success = [one["success_rate"] for one in played]
        return cls(params[setting], params["seed"], list(steps), success)


def trials_of(run: Path, setting: str) -> list[Trial]:
    """Read the trials of a run.

    Raises:
        SystemExit: The folder has none.
    """
    folders = [file.parent for file in sorted(run.glob(f"*/{RESULT_FILE}"))]
    if not folders:
        raise SystemExit(f"{run} has no trials. Pass the folder that a search has written.")
    return [Trial.read(folder, setting) for folder in folders]


def values_of(trials: Sequence[Trial], base: float) -> dict[float, dict[str, float]]:
    """Return the measures of each value of the setting."""
    budget = min(trial.steps[-1] for trial in trials)
    areas = defaultdict[float, dict[int, float]](dict)
    last = defaultdict[float, list[float]](list)
    for trial in trials:
        areas[trial.value][trial.seed] = area_under(trial.steps, trial.success, budget)
        last[trial.value].append(statistics.fmean(trial.success[-WINDOW:]))
    return {
        value: _measures(areas[value], last[value])
        | ({} if value == base else _gain(areas[value], areas[base]))
        for value in sorted(areas)
    }


def _measures(areas: Mapping[int, float], last: Sequence[float]) -> dict[str, float]:
    return {
        "area_mean": statistics.fmean(areas.values()),
        "area_std": statistics.stdev(areas.values()),
        "last_5_mean": statistics.fmean(last),
    }


def _gain(areas: Mapping[int, float], base: Mapping[int, float]) -> dict[str, float]:
    return Comparison(areas, base).difference().values("area_over_base")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the measures, a line for each value."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    recorded.add_figures_option(parser)
    parser.add_argument("run", type=Path, help="folder of a search, with a folder for each trial")
    parser.add_argument("--setting", required=True, help="the setting that is searched")
    parser.add_argument("--base", type=float, required=True, help="the value to compare with")
    args = parser.parse_args(argv)
    trials = trials_of(args.run, args.setting)
    found = values_of(trials, args.base)
    for value, measures in found.items():
        shown = "  ".join(f"{name} {measure:+.3f}" for name, measure in measures.items())
        print(f"{args.setting}={value:g}  {shown}")
    if args.figures:
        num_seeds = len({trial.seed for trial in trials})
        made = [
            figure
            for value, measures in found.items()
            for figure in recorded.result_figures(
                f"search/{args.setting}/{value:g}", measures, n=num_seeds, issue=ISSUE
            )
        ]
        recorded.write_figures(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())

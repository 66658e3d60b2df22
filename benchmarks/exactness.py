"""Find the largest deviation of PPO's ratio from 1 on fresh data, over finished training runs.

    python benchmarks/exactness.py results/learning results/sokoban

The folders are those that `compare_rules.py` writes; every iteration of every run is read.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from figures import Figure, add_figures_option, result_figures, write_figures


def read_deviations(folders: Iterable[Path]) -> list[list[float]]:
    """Return the deviations of each iteration of each run."""
    records = [
        json.loads(file.read_text())
        for folder in folders
        for file in sorted(folder.glob("*_seed*.json"))
    ]
    return [
        [iteration["max_ratio_deviation_fresh"] for iteration in record["iterations"]]
        for record in records
    ]


def figures_of(deviations: Sequence[Sequence[float]]) -> list[Figure]:
    """Make the figures: the largest deviation, and the number of runs."""
    num_iterations = sum(map(len, deviations))
    largest = {"largest_ratio_deviation": max(map(max, deviations))}
    targets = {"largest_ratio_deviation": "< 1e-4"}
    return [
        *result_figures("exactness", largest, targets=targets, n=num_iterations),
        *result_figures("exactness", {"num_runs": len(deviations)}),
    ]


def main() -> None:
    """Read the runs and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    deviations = read_deviations(args.folders)
    if not deviations:
        parser.error("the folders have no *_seed*.json; run benchmarks/compare_rules.py first")
    figures = figures_of(deviations)
    for figure in figures:
        print(f"{figure.name:40} {figure.value:g} of {figure.n}")
    if args.figures:
        write_figures(figures)


if __name__ == "__main__":
    main()

"""The command of a map: execute the missing runs, then write tables, pictures and figures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from map_axis import Axis
from map_pictures import draw, save_picture
from map_results import (
    RUNS_AT_A_TIME,
    MapResults,
    figures_of,
    machine_hours,
    seed_figures,
    table_of,
)
from run_files import PlannedRun, publish, restore, unfinished
from run_pool import execute_missing

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from figures import add_figures_option, write_figures  # in benchmarks/


@dataclass(frozen=True, slots=True)
class Map:
    """What a command maps.

    Attributes:
        family: First part of the names of its figures, and of its folder of results.
        axes: The axes by name.
        make_run: Makes a run of (folder, cell, seed).
        seeds: Returns the number of seeds of a cell.
        published: Where the repository keeps the runs; None if they are quickly repeated.
    """

    family: str
    axes: Mapping[str, Axis]
    make_run: Callable[[Path, Any, int], PlannedRun]
    seeds: Callable[[Any], int]
    published: Path | None = None


def run_map(one: Map, args: argparse.Namespace) -> int:
    """Execute what is missing, then report; return the exit code."""
    axes = [one.axes[name] for name in args.axes]
    folder = args.output / "runs"
    cells = list(dict.fromkeys(cell for axis in axes for cell in axis.cells()))
    runs = [
        one.make_run(folder, cell, args.first_seed + seed)
        for cell in cells
        for seed in range(args.seeds or one.seeds(cell))
    ]
    runs.sort(key=lambda run: run.seed)  # an interrupted map has some seeds of all cells
    if one.published is not None:
        restore(runs, one.published)
    try:
        missing = unfinished(runs)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    if not args.report:
        execute_missing(missing, len(runs), num_processes=args.processes)
        missing = []
    if one.published is not None and args.first_seed == 0:  # others are trials
        publish(runs, one.published)
    results = MapResults.read([run for run in runs if run not in missing])
    reported = list(whole_axes(axes, missing))
    for axis in reported:
        report(axis, results, args.output)
    if args.figures:
        made = [line for axis in reported for line in figures_of(one.family, axis, results)]
        made += machine_hours(one.family, one.axes, reported, results)
        # Runs that are quickly repeated are not listed one by one.
        of_seeds = [] if one.published is None else seed_figures(one.family, results)
        write_figures([*made, *of_seeds])
    return 0


def whole_axes(axes: Sequence[Axis], missing: Sequence[PlannedRun]) -> Iterator[Axis]:
    """Yield the axes of which no run is missing, and say what others lack."""
    for axis in axes:
        cells = set(axis.cells())
        num_missing = sum(run.cell in cells for run in missing)
        if num_missing:
            print(f"{axis.name}: {num_missing} runs are missing (--seeds N reports the first N)")
        else:
            yield axis


def report(axis: Axis, results: MapResults, folder: Path) -> None:
    """Write and print the table of an axis, and draw its picture."""
    table = table_of(axis, results)
    (folder / f"{axis.name}.md").write_text(table)
    save_picture(draw(axis, results), folder / axis.name)
    print(f"\n{axis.title}\n\n{table}", flush=True)


def parser_of(one: Map, description: str) -> argparse.ArgumentParser:
    """Return the options of a map's command."""
    parser = argparse.ArgumentParser(description=description)
    add_figures_option(parser)
    parser.add_argument("--output", type=Path, default=Path("results/map") / one.family)
    parser.add_argument("--axes", nargs="+", choices=one.axes, default=list(one.axes))
    parser.add_argument("--seeds", type=int, help="number of seeds (default: that of the plan)")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=RUNS_AT_A_TIME)
    parser.add_argument("--report", action="store_true", help="report the finished runs only")
    return parser


def parsed(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the options."""
    args = parser.parse_args(argv)
    if args.seeds is not None and args.seeds < 2:
        parser.error(f"--seeds {args.seeds}: an interval needs two seeds or more")
    args.output.mkdir(parents=True, exist_ok=True)
    return args

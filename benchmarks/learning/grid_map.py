"""Map when credit per step helps on the tabular grid world, one axis at a time.

    python benchmarks/learning/grid_map.py --output results/map/grid
    python benchmarks/learning/grid_map.py --axes slack gamma --seeds 20 --figures

Each run has a file of its own, and a run whose file exists is skipped, so an interrupted command
resumes. Each axis gets a picture (PNG and SVG) and a Markdown table. ``grid_axes.py`` lists the
cells and ``measures.py`` defines the measures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from grid_axes import AXES, Axis, with_budget
from grid_pictures import draw, save_picture
from grid_results import MapResults, figures_of, table_of
from grid_runs import PlannedRun, execute_all, unfinished

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from figures import add_figures_option, write_figures  # in benchmarks/


def main(argv: Sequence[str] | None = None) -> int:
    """Execute the missing runs, then write tables, pictures and figures."""
    args = parse(argv)
    axes = [AXES[name] for name in args.axes]
    if args.budget:
        axes = [with_budget(axis, args.budget) for axis in axes]
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    folder = args.output / "runs"
    cells = list(dict.fromkeys(cell for axis in axes for cell in axis.cells()))
    try:
        missing = unfinished(PlannedRun(folder, cell, seed) for cell in cells for seed in seeds)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    execute_missing(missing, len(cells) * len(seeds), num_processes=args.processes)
    results = MapResults.read(folder, cells, seeds)
    for axis in axes:
        report(axis, results, args.output)
    if args.figures:
        write_figures([one for axis in axes for one in figures_of(axis, results)])
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_figures_option(parser)
    parser.add_argument("--output", type=Path, default=Path("results/map/grid"))
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--seeds", type=int, default=20, help="number of seeds, at least 2")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--budget", type=int, help="environment steps of a run, for a short trial")
    args = parser.parse_args(argv)
    if args.seeds < 2:
        parser.error(f"--seeds {args.seeds}: an interval needs two seeds or more")
    return args


def execute_missing(missing: Sequence[PlannedRun], num_runs: int, *, num_processes: int) -> None:
    """Execute the missing runs; a terminal shows a progress line, a log a line per 5 %."""
    done, total_s = num_runs - len(missing), 0.0
    print(f"{done} of {num_runs} runs are finished", flush=True)
    for number, seconds in enumerate(execute_all(missing, num_processes=num_processes), start=1):
        total_s += seconds
        minutes = (len(missing) - number) * total_s / number / num_processes / 60
        line = f"{done + number} of {num_runs} runs, {total_s / number:.2f} s each"
        line += f", about {minutes:.0f} min left"
        is_last = number == len(missing)
        if sys.stdout.isatty():
            print(f"\r{line}  ", end="\n" if is_last else "", flush=True)
        elif is_last or number * 20 // len(missing) > (number - 1) * 20 // len(missing):
            print(line, flush=True)


def report(axis: Axis, results: MapResults, folder: Path) -> None:
    """Write and print the table of an axis, and draw its picture."""
    table = table_of(axis, results)
    (folder / f"{axis.name}.md").write_text(table)
    save_picture(draw(axis, results), folder / axis.name)
    print(f"\n{axis.title}\n\n{table}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

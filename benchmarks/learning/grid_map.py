"""Map when credit per step helps on the tabular grid world, one axis at a time.

    python benchmarks/learning/grid_map.py --output results/map/grid
    python benchmarks/learning/grid_map.py --axes slack gamma --seeds 20 --figures

Each run has a file of its own, and a run whose file exists is skipped, so an interrupted command
resumes. Each axis gets a picture (PNG and SVG) and a Markdown table. ``grid_axes.py`` lists the
cells and ``measures.py`` defines the measures.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence

from grid_axes import AXES, with_budget
from grid_runs import GridRun
from map_command import Map, parsed, parser_of, run_map

NUM_SEEDS = 20
GRID = Map("grid", AXES, GridRun, seeds=lambda cell: NUM_SEEDS)


def main(argv: Sequence[str] | None = None) -> int:
    """Execute the missing runs, then write tables, pictures and figures."""
    parser = parser_of(GRID, (__doc__ or "").splitlines()[0])
    parser.add_argument("--budget", type=int, help="environment steps of a run, for a short trial")
    args = parsed(parser, argv)
    if not args.budget:
        return run_map(GRID, args)
    shorter = {name: with_budget(axis, args.budget) for name, axis in AXES.items()}
    return run_map(dataclasses.replace(GRID, axes=shorter), args)


if __name__ == "__main__":
    sys.exit(main())

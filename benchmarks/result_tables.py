"""Generate the tables of README.md and docs/results/ from docs/results/figures.json.

    python benchmarks/result_tables.py README.md docs/results/*.md

Replaces the text between ``<!-- table: NAME -->`` and ``<!-- end -->`` with the table of that name.
A test checks that the pages are up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from figures import read_figures
from learning_tables import LEARNING
from map_tables import DYNAMICS, MAP
from pretrained_tables import PRETRAINED
from result_layout import Figures, targets
from sampling_tables import SAMPLING
from scaling_tables import SCALING
from speed_tables import SPEED

from rllib_gigpo.reports.docs_tables import Tables, with_tables


def main(argv: Sequence[str] | None = None) -> None:
    """Rewrite the files that the command line names."""
    tables = bound_tables(figures_by_name())
    for file in map(Path, sys.argv[1:] if argv is None else argv):
        file.write_text(with_tables(file.read_text(encoding="utf-8"), tables), encoding="utf-8")


def figures_by_name() -> Figures:
    """Return the lines of figures.json by name; of equal names, the line of the latest issue."""
    return {line["name"]: line for line in read_figures()}


def bound_tables(figures: Figures) -> Tables:
    """Return the function that lays out each table, by name."""
    known = {**LEARNING, **SPEED, **PRETRAINED, **SAMPLING, **SCALING, "dynamics": DYNAMICS}
    tables = {name: partial(table.lines, figures) for name, table in known.items()}
    measured = {name: table for name, table in MAP.items() if table.is_measured(figures)}
    tables |= {name: partial(table.lines, figures) for name, table in measured.items()}
    return {**tables, "targets": partial(targets, figures)}


if __name__ == "__main__":
    main()

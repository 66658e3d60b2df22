"""Values and gains of the cells of an axis, its Markdown table and its figures."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grid_axes import DEFAULT, SAME_F, Axis, Cell
from grid_runs import MEASURES, PlannedRun
from measures import Comparison

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from figures import Figure, result_figures, slug  # in benchmarks/
from paired import PairedDifference

ISSUE = 21
AREA, PANEL, STEPS, RECURRING, CHOICES = MEASURES
PRIMARY = {AREA: "area under the success curve", PANEL: "success on the panel"}
ANY = "any"  # the label of the points of a rule that does not read the setting
# The baselines, and the names of the gains over them.
BASELINES = {SAME_F: "over_grpo", DEFAULT: "over_grpo_f_std"}


@dataclass(frozen=True)
class MapResults:
    """The finished runs.

    Attributes:
        values: Cell -> measure -> value by seed.
    """

    values: Mapping[Cell, Mapping[str, Mapping[int, float]]]

    @classmethod
    def read(cls, folder: Path, cells: Sequence[Cell], seeds: Sequence[int]) -> MapResults:
        """Read the runs of some cells.

        Raises:
            FileNotFoundError: A run is missing.
            ValueError: The file of a run is damaged.
        """
        values = {}
        for cell in dict.fromkeys(cells):
            records = {seed: PlannedRun(folder, cell, seed).read() for seed in seeds}
            values[cell] = {
                measure: {seed: record[measure] for seed, record in records.items()}
                for measure in MEASURES
            }
        return cls(values)

    @property
    def num_seeds(self) -> int:
        """Runs of each cell."""
        measures = next(iter(self.values.values()))
        return len(measures[AREA])

    def by_seed(self, cell: Cell, measure: str) -> list[float]:
        """Return the values of one cell, by seed."""
        return list(self.values[cell][measure].values())

    def gain(self, cell: Cell, baseline: Cell, measure: str) -> PairedDifference | None:
        """Compare two cells by seed; None for a cell with itself."""
        if cell == baseline:
            return None
        found = Comparison(self.values[cell][measure], self.values[baseline][measure])
        return found.difference()


@dataclass(frozen=True, slots=True)
class MapRow:
    """One line of an axis's table.

    Attributes:
        point: Label of the point, or `ANY`.
        rule: Label of the rule.
        cell: Its cell.
        baselines: Label of a baseline -> its cell at this point.
    """

    point: str
    rule: str
    cell: Cell
    baselines: Mapping[str, Cell]


def rows_of(axis: Axis) -> Iterator[MapRow]:
    """Yield the rows of the rules that do not read the setting, then one per point and rule."""
    for place, (point, rules) in enumerate(axis.points.items()):
        baselines = {label: rules[label] for label in BASELINES}
        if place == 0:
            for rule in filter(axis.has_one_cell, rules):
                yield MapRow(ANY, rule, rules[rule], baselines)
        for rule, cell in rules.items():
            if not axis.has_one_cell(rule):
                yield MapRow(point, rule, cell, baselines)


def table_of(axis: Axis, results: MapResults) -> str:
    """Lay an axis out as a Markdown table; gains are paired by seed, with 95 % intervals."""
    gains = [f"minus {label}" for label in BASELINES]
    header = [axis.setting, "rule", PRIMARY[AREA], *gains, PRIMARY[PANEL], *gains]
    header += ["steps of successes", "steps whose state recurs"]
    lines = [header, ["---", "---", *["---:"] * (len(header) - 2)]]
    for row in rows_of(axis):
        cells = [row.point, row.rule]
        for measure in PRIMARY:
            cells.append(_spread(results.by_seed(row.cell, measure), "{:.3f} ± {:.3f}"))
            found = [results.gain(row.cell, other, measure) for other in row.baselines.values()]
            cells += [_interval(one) for one in found]
        cells.append(_spread(results.by_seed(row.cell, STEPS), "{:.2f} ± {:.2f}"))
        cells.append(f"{statistics.fmean(results.by_seed(row.cell, RECURRING)):.3f}")
        lines.append(cells)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def figures_of(axis: Axis, results: MapResults) -> list[Figure]:
    """Make the figures of an axis: ``grid/<axis>/<point>_<rule>/<measure>``."""
    made = []
    for row in rows_of(axis):
        values: dict[str, Any] = {}
        for measure in (*PRIMARY, STEPS):
            by_seed = results.by_seed(row.cell, measure)
            values[f"{measure}_mean"] = statistics.fmean(by_seed)
            values[f"{measure}_std"] = statistics.stdev(by_seed)
            names = BASELINES if measure in PRIMARY else {SAME_F: BASELINES[SAME_F]}
            for label, name in names.items():
                found = results.gain(row.cell, row.baselines[label], measure)
                values |= found.values(f"{measure}_{name}") if found else {}
        values["recurring_mean"] = statistics.fmean(results.by_seed(row.cell, RECURRING))
        prefix = f"grid/{axis.name}/{slug(f'{row.point} {row.rule}')}"
        made += result_figures(prefix, values, n=results.num_seeds, issue=ISSUE)
    return made


def _spread(values: Sequence[float], layout: str) -> str:
    return layout.format(statistics.fmean(values), statistics.stdev(values))


def _interval(found: PairedDifference | None) -> str:
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]" if found else ""

"""Values and gains of the cells of an axis, its Markdown table and its figures."""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from map_axis import DEFAULT, SAME_F, Axis
from measures import Comparison
from run_files import MEASURES, PlannedRun

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from figures import Figure, result_figures, slug  # in benchmarks/
from paired import PairedDifference

ISSUE = 21
RUNS_AT_A_TIME = 2  # on the two cores of a machine
AREA, PANEL, STEPS, RECURRING, CHOICES = MEASURES
PRIMARY = {AREA: "area under the success curve", PANEL: "success on the panel"}
ANY = "any"  # the label of the points of a rule that does not read the setting
# The baselines, and the names of the gains over them.
BASELINES = {SAME_F: "over_grpo", DEFAULT: "over_grpo_f_std"}
# The gains over the same rule at the first point, and at the control.
OVER_FIRST, OVER_CONTROL = "over_first", "over_control"
# Measure -> the gains that are figures.
GAINS = {
    **{measure: (*BASELINES.values(), OVER_FIRST) for measure in PRIMARY},
    STEPS: (BASELINES[SAME_F],),
    CHOICES: (OVER_FIRST, OVER_CONTROL),
}


@dataclass(frozen=True)
class MapResults:
    """The finished runs.

    Attributes:
        values: Cell -> measure -> value by seed; steps of successes lack the runs without any.
        seconds: Cell -> the seconds of all its runs.
    """

    values: Mapping[Any, Mapping[str, Mapping[int, float]]]
    seconds: Mapping[Any, float]

    @classmethod
    def read(cls, runs: Sequence[PlannedRun]) -> MapResults:
        """Read finished runs.

        Raises:
            FileNotFoundError: A run is missing.
            ValueError: The file of a run is damaged.
        """
        values = defaultdict[Any, dict[str, dict[int, float]]](lambda: defaultdict(dict))
        seconds = defaultdict[Any, float](float)
        for run in runs:
            record = run.read()
            seconds[run.cell] += record["seconds"]
            for measure in MEASURES:
                if record[measure] is not None:
                    values[run.cell][measure][run.seed] = record[measure]
        return cls(values, seconds)

    def num_seeds(self, cell: Any) -> int:
        """Runs of a cell."""
        return len(self.values[cell][AREA])

    def by_seed(self, cell: Any, measure: str) -> list[float]:
        """Return the values of one cell, by seed."""
        return list(self.values[cell][measure].values())

    def gain(self, cell: Any, baseline: Any, measure: str) -> PairedDifference | None:
        """Compare two cells by the seeds of both; None for a cell with itself, or without pairs."""
        mine, others = self.values[cell][measure], self.values[baseline][measure]
        both = sorted(mine.keys() & others.keys())
        if cell == baseline or len(both) < 2:
            return None
        found = Comparison({s: mine[s] for s in both}, {s: others[s] for s in both})
        return found.difference()


@dataclass(frozen=True, slots=True)
class MapRow:
    """One line of an axis's table.

    Attributes:
        point: Label of the point, or `ANY`.
        rule: Label of the rule.
        cell: Its cell.
        others: Name of a gain -> the cell that it is over: the baselines at this point, and the
            same rule at the first point and at the control.
    """

    point: str
    rule: str
    cell: Any
    others: Mapping[str, Any]


def rows_of(axis: Axis) -> Iterator[MapRow]:
    """Yield the rows of the rules that do not read the setting, then one per point and rule."""
    first = next(iter(axis.points.values()))
    control = axis.points[axis.control] if axis.control else {}
    for place, (point, rules) in enumerate(axis.points.items()):
        others = {name: rules[rule] for rule, name in BASELINES.items() if rule in rules}
        if place == 0:
            for rule in filter(axis.has_one_cell, rules):
                yield MapRow(ANY, rule, rules[rule], others)
        for rule, cell in rules.items():
            if not axis.has_one_cell(rule):
                played_else = {OVER_FIRST: first if axis.over_first else {}, OVER_CONTROL: control}
                same = {name: rules[rule] for name, rules in played_else.items() if rule in rules}
                yield MapRow(point, rule, cell, {**others, **same})


def table_of(axis: Axis, results: MapResults) -> str:
    """Lay an axis out as a Markdown table; gains are paired by seed, with 95 % intervals."""
    gains = [f"minus {label}" for label in BASELINES]
    header = [axis.setting, "rule", "seeds", PRIMARY[AREA], *gains, PRIMARY[PANEL], *gains]
    header += ["steps of successes", "steps whose state recurs"]
    lines = [header, ["---", "---", *["---:"] * (len(header) - 2)]]
    for row in rows_of(axis):
        cells = [row.point, row.rule, str(results.num_seeds(row.cell))]
        for measure in PRIMARY:
            cells.append(_spread(results.by_seed(row.cell, measure), "{:.3f} ± {:.3f}"))
            for name in BASELINES.values():
                found = name in row.others and results.gain(row.cell, row.others[name], measure)
                cells.append(_interval(found or None))
        cells.append(_spread(results.by_seed(row.cell, STEPS), "{:.2f} ± {:.2f}"))
        cells.append(f"{statistics.fmean(results.by_seed(row.cell, RECURRING)):.3f}")
        lines.append(cells)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def figures_of(family: str, axis: Axis, results: MapResults) -> list[Figure]:
    """Make the figures of an axis: ``<family>/<axis>/<point>_<rule>/<measure>``."""
    made = []
    for row in rows_of(axis):
        values: dict[str, Any] = {}
        for measure in (*PRIMARY, STEPS, *([CHOICES] if axis.over_first else [])):
            by_seed = results.by_seed(row.cell, measure)
            if not by_seed:
                continue
            values[f"{measure}_mean"] = statistics.fmean(by_seed)
            if len(by_seed) > 1:
                values[f"{measure}_std"] = statistics.stdev(by_seed)
            for name, other in row.others.items():
                if name in GAINS[measure]:
                    found = results.gain(row.cell, other, measure)
                    values |= found.values(f"{measure}_{name}") if found else {}
        values["recurring_mean"] = statistics.fmean(results.by_seed(row.cell, RECURRING))
        prefix = f"{family}/{axis.name}/{slug(f'{row.point} {row.rule}')}"
        made += result_figures(prefix, values, n=results.num_seeds(row.cell), issue=ISSUE)
    return made


def seed_figures(family: str, results: MapResults) -> Iterator[Figure]:
    """Yield the primary measures of every run: ``<family>/runs/<cell>/seed_<n>/<measure>``."""
    for cell, measures in results.values.items():
        for measure in PRIMARY:
            for seed, value in measures[measure].items():
                name = f"{family}/runs/{cell.name}/seed_{seed}/{measure}"
                yield Figure(ISSUE, name, value)


def machine_hours(
    family: str, axes: Mapping[str, Axis], reported: Sequence[Axis], results: MapResults
) -> Iterator[Figure]:
    """Yield runs and machine hours of each axis; a cell on several axes belongs to the first.

    Args:
        family: First part of the names.
        axes: All axes of the map.
        reported: Those whose figures are made.
        results: Their runs.
    """
    taken = set[Any]()
    for name, axis in axes.items():
        own = set(axis.cells()) - taken
        taken |= own
        if axis in reported:
            num_runs = sum(results.num_seeds(cell) for cell in own)
            hours = sum(results.seconds[cell] for cell in own) / 3600 / RUNS_AT_A_TIME
            yield Figure(ISSUE, f"{family}/{name}/machine_hours", hours, None, num_runs)


def _spread(values: Sequence[float], layout: str) -> str:
    if len(values) < 2:
        return layout.partition(" ")[0].format(*values) if values else ""
    return layout.format(statistics.fmean(values), statistics.stdev(values))


def _interval(found: PairedDifference | None) -> str:
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]" if found else ""

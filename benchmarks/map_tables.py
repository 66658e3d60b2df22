"""Tables of docs/results/when-it-helps.md, from the figures of both maps."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figures import slug
from result_layout import Figures, cell, difference, facts

from rllib_gigpo.reports.docs_tables import markdown

sys.path.insert(0, str(Path(__file__).parent / "learning"))
import agent_axes
import grid_axes
from map_axis import Axis
from map_results import MapRow, rows_of

_VALUE = "{{{0}_mean:.3f}} ± {{{0}_std:.3f}}"
# Head of a column -> its template; a cell whose figures do not exist is empty.
COLUMNS: Mapping[str, str] = {
    "area": _VALUE.format("area"),
    "minus grpo": difference("area_over_grpo"),
    "panel": _VALUE.format("panel_success"),
    "minus grpo ": difference("panel_success_over_grpo"),
    "steps of successes": "{panel_steps_mean:.1f}",
    "steps whose state recurs": "{recurring_mean:.2f}",
}
FORK_COLUMNS: Mapping[str, str] = {
    "area, environment steps": _VALUE.format("area"),
    "minus without forks": difference("area_over_first"),
    "area, generated tokens": _VALUE.format("area_of_choices"),
    "minus without forks ": difference("area_of_choices_over_first"),
    "minus fewer tasks": difference("area_of_choices_over_control"),
    "panel": _VALUE.format("panel_success"),
}


@dataclass(frozen=True, slots=True)
class MapTable:
    """The table of an axis; rows that have not been measured are left out."""

    family: str
    axis: Axis
    columns: Mapping[str, str]

    def lines(self, figures: Figures) -> list[str]:
        """Lay out the table in Markdown."""
        body = list(self._rows(figures))
        heads = [self.axis.setting, "rule", "seeds", *(head.strip() for head in self.columns)]
        lines = markdown(heads, body)
        lines[1] = "| " + " | ".join(["---", "---", *["---:"] * (len(heads) - 2)]) + " |"
        return lines

    def is_measured(self, figures: Figures) -> bool:
        """Return whether the table has a row."""
        return any(self._rows(figures))

    def _rows(self, figures: Figures) -> Iterator[list[str]]:
        for row in rows_of(self.axis):
            prefix = self._prefix(row)
            if f"{prefix}/area_mean" not in figures:
                continue
            filled = [_filled(template, prefix, figures) for template in self.columns.values()]
            seeds = cell("{area_mean:n}", prefix, figures)
            yield [row.point, row.rule, seeds, *filled]

    def _prefix(self, row: MapRow) -> str:
        return f"{self.family}/{self.axis.name}/{slug(f'{row.point} {row.rule}')}"


def _filled(template: str, prefix: str, figures: Figures) -> str:
    try:
        return cell(template, prefix, figures)
    except ValueError:  # a baseline has no gain over itself, and a policy may never win
        return ""


def _tables(family: str, axes: Mapping[str, Axis]) -> Iterator[tuple[str, MapTable]]:
    for name, axis in axes.items():
        columns = FORK_COLUMNS if name.endswith("forks") else COLUMNS
        yield f"{family}-{name}", MapTable(family, axis, columns)


DYNAMICS = facts(
    {
        "steps of an episode, first and last 5 iterations": (
            "{dynamics/episode_steps_first_5:.1f}, {dynamics/episode_steps_last_5:.1f}"
        ),
        "steps whose state recurs": (
            "{dynamics/recurring_first_5:.1%}, {dynamics/recurring_last_5:.1%}"
        ),
        "anchor groups of more than 10 steps": (
            "{dynamics/groups_above_10_first_5:.0%}, {dynamics/groups_above_10_last_5:.0%}"
        ),
        "grouping and advantages, share of an iteration's time": (
            "{dynamics/credit_share_of_iteration:.2%}"
        ),
    }
)
FAMILIES: Mapping[str, Mapping[str, Axis]] = {"grid": grid_axes.AXES, "agents": agent_axes.AXES}
_SUBJECTS = {"grid": "grid world", "agents": "language model"}


class HoursTable:
    """The runs and machine hours of both maps."""

    def lines(self, figures: Figures) -> list[str]:
        """Lay out the table in Markdown."""
        body, num_runs, hours = list[list[str]](), 0, 0.0
        for family, axis, line in self._measured(figures):
            num_runs += line["n"]
            hours += line["value"]
            title = axis.title[0].lower() + axis.title[1:]
            body.append([_SUBJECTS[family], title, f"{line['n']:,}", f"{line['value']:.2f}"])
        body.append(["all", "", f"{num_runs:,}", f"{hours:.2f}"])
        lines = markdown(["", "axis", "runs", "machine hours"], body)
        lines[1] = "| --- | --- | ---: | ---: |"
        return lines

    def is_measured(self, figures: Figures) -> bool:
        """Return whether the table has a row."""
        return any(self._measured(figures))

    def _measured(self, figures: Figures) -> Iterator[tuple[str, Axis, Mapping[str, Any]]]:
        for family, axes in FAMILIES.items():
            for name, axis in axes.items():
                line = figures.get(f"{family}/{name}/machine_hours")
                if line is not None:
                    yield family, axis, line


@dataclass(frozen=True, slots=True)
class SearchTable:
    """The values that a search tried, as search_table.py has measured them."""

    setting: str
    head: str
    base: str

    def lines(self, figures: Figures) -> list[str]:
        """Lay out the table in Markdown."""
        heads = [self.head, "seeds", "area", f"minus {self.base}", "success, last 5 iterations"]
        lines = markdown(heads, list(self._rows(figures)))
        lines[1] = "| " + " | ".join(["---:"] * len(heads)) + " |"
        return lines

    def is_measured(self, figures: Figures) -> bool:
        """Return whether the table has a row."""
        return any(self._rows(figures))

    def _rows(self, figures: Figures) -> Iterator[list[str]]:
        start = f"search/{self.setting}/"
        values = {name.split("/")[2] for name in figures if name.startswith(start)}
        for value in sorted(values, key=float):
            prefix = start + value
            columns = (COLUMNS["area"], difference("area_over_base"), "{last_5_mean:.3f}")
            filled = [_filled(template, prefix, figures) for template in columns]
            yield [value, cell("{area_mean:n}", prefix, figures), *filled]


MAP: Mapping[str, MapTable | HoursTable | SearchTable] = {
    **{name: table for family in FAMILIES.items() for name, table in _tables(*family)},
    "map-hours": HoursTable(),
    "search-omega": SearchTable("step_weight", "ω", "ω = 1"),
}

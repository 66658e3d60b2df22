"""Lay out tables of figures: rows are prefixes of names, columns are templates of cells.

A template is a text such as "{last_5_mean:.2f} ± {last_5_std:.2f}". Its names are relative to the
prefix of the row. Besides Python's formats there are "+.1pp" (percentage points), "n" (the number
of measurements) and "target" (the target, and whether it is met).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rllib_gigpo.reports.docs_tables import markdown

Figures = Mapping[str, Mapping[str, Any]]  # name -> line of the file

_FIELD = re.compile(r"\{([^{}:]+):([^{}]+)\}")
_OPERATORS = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        labels: The first cells.
        prefix: Prefix of the figures' names.
        cells: Templates that replace those of the columns, by column.
    """

    labels: tuple[str, ...]
    prefix: str = ""
    cells: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        heads: Heads of the labels.
        columns: Template by head.
        rows: Rows in order.
        align: Alignment of the columns.
    """

    heads: tuple[str, ...]
    columns: Mapping[str, str]
    rows: Sequence[Row]
    align: str = "---:"

    def lines(self, figures: Figures) -> list[str]:
        """Lay out the table in Markdown."""
        body = [
            [
                *row.labels,
                *(
                    cell(row.cells.get(head, template), row.prefix, figures)
                    for head, template in self.columns.items()
                ),
            ]
            for row in self.rows
        ]
        alignments = ["---"] * len(self.heads) + [self.align] * len(self.columns)
        lines = markdown([*self.heads, *self.columns], body)
        lines[1] = "| " + " | ".join(alignments) + " |"
        return lines


def facts(rows: Mapping[str, str]) -> Table:
    """Make a table of single values, each with its own template."""
    return Table(
        ("",),
        {"measured": ""},
        [Row((label,), cells={"measured": template}) for label, template in rows.items()],
    )


def span(name: str, spec: str = ".3g") -> str:
    """Return the template of a range."""
    return f"{{{name}_min:{spec}}} to {{{name}_max:{spec}}}"


def difference(name: str, spec: str = "+.1pp") -> str:
    """Return the template of a difference with its 95 % interval."""
    return f"{{{name}:{spec}}} [{{{name}_low:{spec}}}, {{{name}_high:{spec}}}]"


def cell(template: str, prefix: str, figures: Figures) -> str:
    """Fill in the template of a cell; a range of equal ends becomes one value.

    Raises:
        ValueError: A figure does not exist.
    """

    def fill(match: re.Match[str]) -> str:
        name = f"{prefix}/{match[1]}" if prefix else match[1]
        if name not in figures:
            raise ValueError(
                f"figures.json has no figure {name!r}; measure it with --figures, or correct the"
                " template"
            )
        return formatted(figures[name], match[2])

    return re.sub(r"^(\S+) to \1$", r"\1", _FIELD.sub(fill, template))


def formatted(line: Mapping[str, Any], spec: str) -> str:
    """Format one figure."""
    value = line["value"]
    if spec == "n":
        return f"{line['n']:,}"
    if spec == "target":
        return f"{sign(line['target'])}: {verdict(line)}"
    if spec.endswith("pp"):
        return f"{100 * value:{spec.removesuffix('pp')}f}"
    return re.sub(r"e([+-])0", r"e\1", f"{value:{spec}}")


def sign(target: str) -> str:
    """Write a target for readers."""
    return target.replace("<=", "≤").replace(">=", "≥")


def verdict(line: Mapping[str, Any]) -> str:
    """Return whether a figure meets its target.

    Raises:
        ValueError: The target is not an operator and a number.
    """
    found = re.fullmatch(r"([<>]=?|) ?([\d.e-]+)", line["target"])
    if not found:
        raise ValueError(
            f"{line['name']} has the target {line['target']!r}; write an operator and a number,"
            " such as '<= 3'"
        )
    is_met = _OPERATORS[found[1]](line["value"], float(found[2]))
    return "met" if is_met else "**missed**"


def targets(figures: Figures) -> list[str]:
    """Lay out all figures that have a target."""
    heads = ("figure", "measured", "target", "result", "measurements", "commit")
    rows = [
        (
            f"`{name}`",
            formatted(line, ".3g"),
            sign(line["target"]),
            verdict(line),
            formatted(line, "n"),
            f"`{line['commit']}`",
        )
        for name, line in figures.items()
        if line["target"]
    ]
    return markdown(heads, rows)

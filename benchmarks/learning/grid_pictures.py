"""Pictures of the axes of the map: both primary measures and their gains over GRPO."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from grid_axes import DEFAULT, GIGPO, SAME_F, Axis, Cell
from grid_results import PRIMARY, MapResults
from matplotlib.axes import Axes
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from paired import student_interval  # in benchmarks/

# The colours of Okabe and Ito, which colour-blind readers can tell apart; markers differ too.
_STYLES = {GIGPO: ("#0072B2", "o"), SAME_F: ("#D55E00", "s"), DEFAULT: ("#E69F00", "D")}
_OTHER_STYLES = (("#009E73", "^"), ("#CC79A7", "v"), ("#000000", "X"), ("#56B4E9", "P"))
_POINT_STYLES = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"))
_DODGE = 0.11  # distance of series at one point, in points
_GAIN = f"minus {SAME_F}"

Interval = tuple[float, float, float]


def draw(axis: Axis, results: MapResults) -> Figure:
    """Draw an axis: means over seeds with Student's 95 % intervals, gains paired by seed."""
    is_by_rule = axis.kind == "rules"
    return _draw_rules(axis, results) if is_by_rule else _draw_points(axis, results)


def save_picture(figure: Figure, file: Path) -> None:
    """Write a figure as PNG and SVG; the same figure gives the same SVG."""
    figure.savefig(file.with_suffix(".png"), dpi=150, bbox_inches="tight")
    with matplotlib.rc_context({"svg.hashsalt": file.stem}):
        figure.savefig(file.with_suffix(".svg"), bbox_inches="tight", metadata={"Date": None})


def _draw_points(axis: Axis, results: MapResults) -> Figure:
    """Draw the points from left to right: values above, gains below, a column per measure."""
    figure = Figure(figsize=(10.5, 6.6), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True)
    figure.suptitle(axis.title)
    labels = list(axis.points)
    for index, rule in enumerate(axis.rules):
        colour, marker = _style(rule, axis)
        places = [at + _DODGE * (index - (len(axis.rules) - 1) / 2) for at in range(len(labels))]
        style = {"color": colour, "marker": marker, "label": rule}
        for column, measure in enumerate(PRIMARY):
            cells = [rules[rule] for rules in axis.points.values()]
            intervals = [student_interval(results.by_seed(cell, measure)) for cell in cells]
            _with_bars(panels[0, column], places, intervals, linewidth=1.2, **style)
            gains = [
                _gain(results, rules[rule], rules[SAME_F], measure)
                for rules in axis.points.values()
            ]
            if rule != SAME_F:
                _with_bars(panels[1, column], places, gains, linewidth=1.2, **style)
    for column, name in enumerate(PRIMARY.values()):
        _finish(panels[0, column], ylabel=name)
        _finish(panels[1, column], ylabel=f"{name},\n{_GAIN}")
        panels[1, column].axhline(0, color="0.3", linewidth=1, zorder=0)
        panels[1, column].set_xticks(range(len(labels)), [_wrapped(label) for label in labels])
        panels[1, column].set_xlabel(axis.setting)
    handles, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
    return figure


def _draw_rules(axis: Axis, results: MapResults) -> Figure:
    """Draw the rules from top to bottom, best first: values and gains, a colour per point."""
    points = list(axis.points)
    middle = axis.points[points[len(points) // 2]]
    first = next(iter(PRIMARY))
    ranked = sorted(axis.rules, key=lambda rule: _mean(results, middle[rule], first))
    figure = Figure(figsize=(14, 0.3 * len(ranked) + 1.8), layout="constrained")
    panels = figure.subplots(1, 2 * len(PRIMARY), sharey=True)
    figure.suptitle(f"{axis.title}, ordered by {PRIMARY[first]}")
    for index, point in enumerate(points):
        colour, marker = _POINT_STYLES[index]
        places = [at - 2 * _DODGE * (index - (len(points) - 1) / 2) for at in range(len(ranked))]
        style = {"color": colour, "marker": marker, "label": f"{axis.setting}: {point}"}
        rules = axis.points[point]
        for column, measure in enumerate(PRIMARY):
            values = [student_interval(results.by_seed(rules[rule], measure)) for rule in ranked]
            gains = [_gain(results, rules[rule], rules[SAME_F], measure) for rule in ranked]
            _with_bars(panels[2 * column], places, values, is_upright=False, **style)
            _with_bars(panels[2 * column + 1], places, gains, is_upright=False, **style)
    for column, name in enumerate(PRIMARY.values()):
        panels[2 * column].set_xlabel(name)
        panels[2 * column + 1].set_xlabel(f"{name},\n{_GAIN}")
        panels[2 * column + 1].axvline(0, color="0.3", linewidth=1, zorder=0)
    for panel in panels:
        panel.grid(alpha=0.3)
        panel.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(ranked)), ranked)
    panels[0].set_ylim(-0.6, len(ranked) - 0.4)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
    return figure


def _with_bars(
    axes: Axes,
    places: Sequence[float],
    intervals: Sequence[Interval],
    *,
    is_upright: bool = True,
    linewidth: float = 0.0,
    **style: Any,
) -> None:
    """Draw means with the bars of their intervals, upright or lying."""
    means = [mean for mean, _, _ in intervals]
    bars = [
        [mean - low for mean, low, _ in intervals],
        [high - mean for mean, _, high in intervals],
    ]
    where = {"x": places, "y": means, "yerr": bars}
    if not is_upright:
        where = {"x": means, "y": places, "xerr": bars}
    axes.errorbar(**where, linewidth=linewidth, elinewidth=1.2, markersize=5, capsize=2, **style)


def _style(rule: str, axis: Axis) -> tuple[str, str]:
    others = [one for one in axis.rules if one not in _STYLES]
    return _STYLES[rule] if rule in _STYLES else _OTHER_STYLES[others.index(rule)]


def _gain(results: MapResults, cell: Cell, baseline: Cell, measure: str) -> Interval:
    found = results.gain(cell, baseline, measure)
    return (found.mean, found.low, found.high) if found else (0.0, 0.0, 0.0)


def _mean(results: MapResults, cell: Cell, measure: str) -> float:
    return student_interval(results.by_seed(cell, measure))[0]


def _wrapped(label: str) -> str:
    """Break a long label before "and"."""
    return label.replace(" and ", "\nand ") if len(label) > 9 else label


def _finish(axes: Axes, *, ylabel: str) -> None:
    axes.set_ylabel(ylabel)
    axes.grid(alpha=0.3)

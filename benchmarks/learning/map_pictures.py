"""Pictures of the axes of the map: both primary measures and their gains over GRPO."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from map_axis import DEFAULT, GIGPO, SAME_F, Axis
from map_results import AREA, PANEL, PRIMARY, MapResults
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from measures import NUM_PANEL_TASKS

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from paired import student_interval  # in benchmarks/

# The colours of Okabe and Ito, which colour-blind readers can tell apart; markers differ too.
_STYLES = {GIGPO: ("#0072B2", "o"), SAME_F: ("#D55E00", "s"), DEFAULT: ("#E69F00", "D")}
_OTHER_STYLES = (("#009E73", "^"), ("#CC79A7", "v"), ("#000000", "X"), ("#56B4E9", "P"))
_POINT_STYLES = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"))
_LINES = {"s": "--", "D": ":"}  # of the rules that are the same at all points, by marker
_LABELS = {
    AREA: "area under the success curve\n(mean share of successes)",
    PANEL: f"success on the panel\n(mean over {NUM_PANEL_TASKS} tasks)",
}
_DODGE = 0.11  # distance of series at one point, in points
_GAIN = f"minus {SAME_F}"

Interval = tuple[float, float, float]
Style = dict[str, Any]  # colour, marker, label and line width, by the names of matplotlib


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
    figure.suptitle(f"{axis.title}\n{_seeds(axis, results)}")
    varying = [rule for rule in axis.rules if not axis.has_one_cell(rule)]
    for column, (measure, ylabel) in enumerate(_LABELS.items()):
        values, gains = panels[:, column]
        for rule in axis.rules:
            places = []
            if rule in varying:
                shift = _DODGE * (varying.index(rule) - (len(varying) - 1) / 2)
                at_points = enumerate(axis.points.values())
                places = [place + shift for place, rules in at_points if rule in rules]
            pairs = _intervals(axis, results, rule, measure)
            _draw_rule(values, places, [value for value, _ in pairs], _style(rule, axis))
            if rule != SAME_F:
                _draw_rule(gains, places, [gain for _, gain in pairs], _style(rule, axis))
        values.set_ylabel(ylabel)
        gains.set_ylabel(f"{PRIMARY[measure]},\n{_GAIN}")
        gains.axhline(0, color="0.3", linewidth=1, zorder=0)
        labels = [textwrap.fill(label, 10, break_long_words=False) for label in axis.points]
        size = "medium" if axis.kind == "ordered" else "small"  # words need more room
        gains.set_xticks(range(len(labels)), labels, fontsize=size)
        gains.set_xlim(-0.5, len(labels) - 0.5)
        gains.set_xlabel(axis.setting)
    for panel in panels.flat:
        panel.grid(alpha=0.3)
    _add_legend(figure, panels[0, 0])
    return figure


def _draw_rules(axis: Axis, results: MapResults) -> Figure:
    """Draw the rules from top to bottom, best first: values and gains, a colour per point."""
    points = list(axis.points)
    at = points[len(points) // 2]
    middle = axis.points[at]
    first = next(iter(PRIMARY))
    ranked = sorted(axis.rules, key=lambda rule: _mean(results, middle[rule], first))
    figure = Figure(figsize=(14, 0.3 * len(ranked) + 1.8), layout="constrained")
    panels = figure.subplots(1, 2 * len(PRIMARY), sharey=True)
    order = f"ordered by {PRIMARY[first]} at {_short(axis)} {at}"
    figure.suptitle(f"{axis.title}, {order}\n{_seeds(axis, results)}")
    for index, point in enumerate(points):
        colour, marker = _POINT_STYLES[index]
        places = [at - 2 * _DODGE * (index - (len(points) - 1) / 2) for at in range(len(ranked))]
        label = f"{_short(axis)} {point}"
        style = {"color": colour, "marker": marker, "label": label, "linewidth": 0.0}
        rules = axis.points[point]
        for column, measure in enumerate(PRIMARY):
            values = [student_interval(results.by_seed(rules[rule], measure)) for rule in ranked]
            gains = [_gain(results, rules[rule], rules[SAME_F], measure) for rule in ranked]
            _with_bars(panels[2 * column], places, values, style, is_upright=False)
            _with_bars(panels[2 * column + 1], places, gains, style, is_upright=False)
    for column, (measure, xlabel) in enumerate(_LABELS.items()):
        panels[2 * column].set_xlabel(xlabel)
        panels[2 * column + 1].set_xlabel(f"{PRIMARY[measure]},\n{_GAIN}")
        panels[2 * column + 1].axvline(0, color="0.3", linewidth=1, zorder=0)
    for panel in panels:
        panel.grid(alpha=0.3)
        panel.tick_params(axis="y", length=0)
        panel.locator_params(axis="x", nbins=5)
    panels[0].set_yticks(range(len(ranked)), ranked)
    panels[0].set_ylim(-0.6, len(ranked) - 0.4)
    _add_legend(figure, panels[0])
    return figure


def _draw_rule(
    axes: Axes, places: Sequence[float], intervals: Sequence[Interval], style: Style
) -> None:
    """Draw a rule at its places, or as a band across all points if it has none."""
    if places:
        _with_bars(axes, places, intervals, style)
        return
    mean, low, high = intervals[0]
    axes.axhline(mean, linewidth=1.5, zorder=1, **_without_marker(style))
    axes.axhspan(low, high, color=style["color"], alpha=0.12, linewidth=0, zorder=0)


def _with_bars(
    axes: Axes,
    places: Sequence[float],
    intervals: Sequence[Interval],
    style: Style,
    *,
    is_upright: bool = True,
) -> None:
    """Draw means with the bars of their intervals, upright or lying."""
    means = [mean for mean, _, _ in intervals]
    below = [mean - low for mean, low, _ in intervals]
    bars = [below, [high - mean for mean, _, high in intervals]]
    looks = {"elinewidth": 1.2, "markersize": 5, "capsize": 2, **style}
    if is_upright:
        axes.errorbar(places, means, yerr=bars, **looks)
    else:
        axes.errorbar(means, places, xerr=bars, **looks)


def _without_marker(style: Style) -> dict[str, Any]:
    return {
        "color": style["color"],
        "label": style["label"],
        "linestyle": _LINES[style["marker"]],
    }


def _intervals(
    axis: Axis, results: MapResults, rule: str, measure: str
) -> list[tuple[Interval, Interval]]:
    """Return a rule's value and its gain at each point."""
    return [
        (
            student_interval(results.by_seed(rules[rule], measure)),
            _gain(results, rules[rule], rules[SAME_F], measure),
        )
        for rules in axis.points.values()
        if rule in rules
    ]


def _style(rule: str, axis: Axis) -> Style:
    others = [one for one in axis.rules if one not in _STYLES]
    color, marker = _STYLES[rule] if rule in _STYLES else _OTHER_STYLES[others.index(rule)]
    width = 1.2 if axis.kind == "ordered" else 0.0  # of the line between points
    return {"color": color, "marker": marker, "label": rule, "linewidth": width}


def _gain(results: MapResults, cell: Any, baseline: Any, measure: str) -> Interval:
    found = results.gain(cell, baseline, measure)
    return (found.mean, found.low, found.high) if found else (0.0, 0.0, 0.0)


def _mean(results: MapResults, cell: Any, measure: str) -> float:
    return student_interval(results.by_seed(cell, measure))[0]


def _seeds(axis: Axis, results: MapResults) -> str:
    numbers = sorted({results.num_seeds(cell) for cell in axis.cells()})
    span = " to ".join(dict.fromkeys(map(str, (numbers[0], numbers[-1]))))
    return f"mean of {span} seeds with 95 % intervals; differences paired by seed"


def _short(axis: Axis) -> str:
    return axis.setting.partition(",")[0]


def _add_legend(figure: Figure, axes: Axes) -> None:
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)

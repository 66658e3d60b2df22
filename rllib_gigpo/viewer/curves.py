"""Curves of runs over their iterations, as plain data for the page's charts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rllib_gigpo.reports.plots import SIZE_BINS, bin_label, size_shares
from rllib_gigpo.reports.results import (
    METRIC_PATHS,
    PHASES,
    WARNINGS,
    lookup,
    number,
    phase_path,
    summarize,
)

Results = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart: a title, and the metrics in it by the label of their lines.

    Attributes:
        is_rate: Whether the axis goes from 0 to 1.
        is_stacked: Whether the lines add up, as shares of a whole do.
        if_any: Whether the chart is left out while all its values are 0.
    """

    title: str
    paths: Mapping[str, str]
    is_rate: bool = False
    is_stacked: bool = False
    if_any: bool = False


CHARTS = (
    Chart(
        "success rate",
        {"": METRIC_PATHS["success_rate"], "evaluation": METRIC_PATHS["eval_success_rate"]},
        is_rate=True,
    ),
    Chart("episode return", {"": METRIC_PATHS["episode_return"]}),
    Chart("episode length", {"": METRIC_PATHS["episode_length"]}),
    Chart("update KL", {"": METRIC_PATHS["kl"]}),
    Chart("entropy", {"": METRIC_PATHS["entropy"]}),
    Chart("deviation of the fresh ratio from 1", {"": METRIC_PATHS["max_ratio_deviation_fresh"]}),
    Chart(
        "staleness in versions",
        {"mean": "env_runners/staleness_mean", "largest": "env_runners/staleness_max"},
        if_any=True,
    ),
    Chart("skipped optimiser steps", {"": METRIC_PATHS["num_skipped_steps"]}, if_any=True),
    Chart(
        "valid answers",
        {
            "format": METRIC_PATHS["format_valid_rate"],
            "admissible": METRIC_PATHS["admissible_rate"],
        },
        is_rate=True,
    ),
    Chart(
        "groups lost, played again, too old",
        {
            "lost": "env_runners/num_groups_lost",
            "played again": "env_runners/num_groups_moved",
            "too old": "env_runners/num_groups_stale",
        },
        if_any=True,
    ),
    Chart("seconds by phase", {phase: phase_path(phase) for phase in PHASES}, is_stacked=True),
)
_BOUNDS = {
    METRIC_PATHS["eval_success_rate"]: (
        METRIC_PATHS["eval_success_ci_low"],
        METRIC_PATHS["eval_success_ci_high"],
    )
}


def charts(runs: Mapping[str, Results]) -> list[dict[str, Any]]:
    """Return the charts that have a point, with the lines of all runs over each other.

    Args:
        runs: Name of a run -> its results in order.

    Returns:
        One dict for each chart, with ``title``, ``is_rate``, ``is_stacked`` and ``lines``; a line
        has ``run``, ``label``, ``x`` (iterations), ``y``, and if there is an interval, ``low`` and
        ``high``.
    """
    drawn = []
    for chart in CHARTS:
        lines = [line for name, results in runs.items() for line in _lines(chart, name, results)]
        if lines and not (chart.if_any and not any(any(line["y"]) for line in lines)):
            drawn.append(
                {
                    "title": chart.title,
                    "is_rate": chart.is_rate,
                    "is_stacked": chart.is_stacked,
                    "lines": lines,
                }
            )
    return drawn


def _lines(chart: Chart, run: str, results: Results) -> Iterator[dict[str, Any]]:
    for label, path in chart.paths.items():
        points = [(one["training_iteration"], number(one, path), one) for one in results]
        known = [(iteration, value, one) for iteration, value, one in points if value is not None]
        if known:
            line = {
                "run": run,
                "label": label,
                "x": [iteration for iteration, _, _ in known],
                "y": [value for _, value, _ in known],
            }
            if path in _BOUNDS:
                low, high = _BOUNDS[path]
                line["low"] = [number(one, low) for _, _, one in known]
                line["high"] = [number(one, high) for _, _, one in known]
            yield line


def latest(results: Results, path: str) -> float | None:
    """Return the newest value of a metric; None if no iteration has it."""
    values = (number(one, path) for one in reversed(results))
    return next((value for value in values if value is not None), None)


def faults(results: Results) -> list[dict[str, Any]]:
    """List the iterations in which groups were lost or something was worth a warning."""
    found = []
    for one in results:
        kinds = lookup(one, "env_runners/groups_lost") or {}
        warnings = lookup(one, WARNINGS) or {}
        if kinds or warnings:
            found.append(
                {
                    "iteration": one["training_iteration"],
                    "lost": ", ".join(f"{count} x {kind}" for kind, count in kinds.items()),
                    "warnings": "\n".join(map(str, warnings.values())),
                }
            )
    return found


def anchor_sizes(results: Results) -> list[dict[str, Any]]:
    """Return the chart of anchor-group sizes over iterations, as shares in bins of sizes."""
    counted = [(one, summarize(one).anchor_group_sizes) for one in results]
    known = [(one["training_iteration"], size_shares(sizes)) for one, sizes in counted if sizes]
    if not known:
        return []
    lines = [
        {
            "run": "",
            "label": bin_label(*bounds),
            "x": [iteration for iteration, _ in known],
            "y": [shares[place] for _, shares in known],
        }
        for place, bounds in enumerate(SIZE_BINS)
    ]
    chart = {"title": "share of anchor groups by size", "is_rate": True, "is_stacked": True}
    return [{**chart, "lines": lines}]

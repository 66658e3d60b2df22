"""Draw the four dynamics that the paper of GiGPO shows, of a run of `rllib train`.

    make train
    python benchmarks/learning/dynamics.py results/train/RUN --picture docs/results/dynamics.png

The panels: sizes of the anchor groups; the share of steps whose state recurs; steps of an episode;
and the time that grouping and advantages take in an iteration, beside the whole iteration. The
paper has them in its figures on anchor groups and on the time of an iteration (arXiv 2505.10978,
section 5).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import figures as recorded  # in benchmarks/

from rllib_gigpo.reports import plots
from rllib_gigpo.reports.results import RESULT_FILE, lookup, number, summarize

ISSUE, WINDOW = 21, 5
RECURRING = "credit/recurring_row_share"
LENGTH = "env_runners/episode_len_mean"
COSTS = {
    "the whole iteration": "time_this_iter_s",
    "grouping": "credit/anchor_grouping_s",
    "advantages": "credit/advantages_s",
}


def results_of(run: Path) -> list[dict[str, Any]]:
    """Read the iterations of a run.

    Raises:
        SystemExit: The folder has no results.
    """
    file = run / RESULT_FILE
    if not file.is_file():
        raise SystemExit(f"{run} has no {RESULT_FILE}; give the folder of a run of rllib train.")
    return [json.loads(line) for line in file.read_text().splitlines()]


def series(results: Sequence[Mapping[str, Any]], path: str) -> list[float]:
    """Return a metric by iteration; NaN where an iteration lacks it."""
    values = (number(result, path) for result in results)
    return [float("nan") if value is None else value for value in values]


def draw_dynamics(results: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Draw the four panels."""
    figure = Figure(figsize=(10, 6.6), layout="constrained")
    figure.suptitle(title)
    ((sizes, recurring), (lengths, costs)) = figure.subplots(2, 2)
    iterations = range(1, len(results) + 1)
    _draw_sizes(sizes, results, iterations)
    recurring.plot(iterations, series(results, RECURRING), color="#0072B2")
    recurring.set(ylim=(0, 1.02), ylabel="share of steps whose state recurs")
    lengths.plot(iterations, series(results, LENGTH), color="#0072B2")
    lengths.set(ylim=(0, None), ylabel="steps of an episode")
    for (label, path), colour in zip(COSTS.items(), ("#000000", "#0072B2", "#D55E00"), strict=True):
        costs.semilogy(iterations, series(results, path), color=colour, label=label)
    costs.set_ylabel("seconds, logarithmic")
    costs.legend(fontsize="small", frameon=False)
    for panel in (sizes, recurring, lengths, costs):
        panel.set_xlabel("iteration")
        panel.grid(alpha=0.3)
    return figure


def _draw_sizes(axes: Axes, results: Sequence[Mapping[str, Any]], iterations: range) -> None:
    shares = [plots.size_shares(summarize(result).anchor_group_sizes) for result in results]
    colours = ("#D9D9D9", "#C6DBEF", "#9ECAE1", "#4292C6", "#08519C")
    labels = [plots.bin_label(*bounds) for bounds in plots.SIZE_BINS]
    axes.stackplot(iterations, *zip(*shares, strict=True), labels=labels, colors=colours)
    axes.set(ylim=(0, 1), ylabel="share of anchor groups, by size")
    handles, names = axes.get_legend_handles_labels()
    beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
    axes.legend(handles[::-1], names[::-1], fontsize="small", title="size", frameon=False, **beside)


def values_of(results: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Summarise the four dynamics: their first and last iterations, and what the credit costs."""
    credit = [
        sum(lookup(result, COSTS[name]) or 0.0 for name in ("grouping", "advantages"))
        for result in results
    ]
    whole = series(results, COSTS["the whole iteration"])
    values = {"credit_share_of_iteration": sum(credit) / sum(whole)}
    for name, path in (("recurring", RECURRING), ("episode_steps", LENGTH)):
        found = series(results, path)
        values[f"{name}_first_5"] = statistics.fmean(found[:WINDOW])
        values[f"{name}_last_5"] = statistics.fmean(found[-WINDOW:])
    for name, part in (("first_5", results[:WINDOW]), ("last_5", results[-WINDOW:])):
        shares = [plots.size_shares(summarize(one).anchor_group_sizes) for one in part]
        values[f"groups_of_one_{name}"] = statistics.fmean(one[0] for one in shares)
        values[f"groups_above_10_{name}"] = statistics.fmean(one[-1] for one in shares)
    return values


def main(argv: Sequence[str] | None = None) -> int:
    """Draw the picture and print the numbers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    recorded.add_figures_option(parser)
    parser.add_argument("run", type=Path, help="folder of a run, with its result.json")
    parser.add_argument("--picture", type=Path, default=Path("dynamics.png"))
    parser.add_argument("--title", default="")
    args = parser.parse_args(argv)
    results = results_of(args.run)
    plots.save(draw_dynamics(results, args.title or args.run.name), args.picture)
    values = values_of(results)
    for name, value in values.items():
        print(f"{name:28} {value:.4g}")
    if args.figures:
        made = recorded.result_figures("dynamics", values, n=len(results), issue=ISSUE)
        recorded.write_figures(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())

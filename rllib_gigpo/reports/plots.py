"""Figures of runs, drawn from the summaries of their iterations; needs the extra "plot"."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rllib_gigpo.errors import MissingExtraError
from rllib_gigpo.reports.results import IterationSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINES = ("-", "--", ":")  # the next one after every ten colours
_MOST_INSIDE = 8  # lines whose legend fits between them
# Bounds of the bins of anchor-group sizes: 1, 2-4, 5-7, 8-10, more.
SIZE_BINS = ((1, 1), (2, 4), (5, 7), (8, 10), (11, None))


def learning_curve(runs: Mapping[str, Sequence[IterationSummary]], *, title: str = "") -> "Figure":
    """Draw success over iterations: training as a line, evaluation as points with an interval.

    Args:
        runs: Name of a run -> its iterations in order; each run has one colour.
        title: Heading of the figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure, axes = _new_figure(title)
    for index, (name, summaries) in enumerate(runs.items()):
        colour = f"C{index}"
        iterations, rates = _points(summaries, "success_rate")
        axes.plot(iterations, rates, color=colour, label=f"{name}: training")
        _draw_evaluations(axes, summaries, label=f"{name}: evaluation", colour=colour)
    _finish_rates(axes, ylabel="success rate")
    return figure


def mean_curves(
    curves: Mapping[str, Sequence[Sequence[float]]], *, window: int = 5, title: str = ""
) -> "Figure":
    """Draw the mean success over seeds, smoothed, with a band from the worst to the best seed.

    Args:
        curves: Name -> one success curve per seed; all are cut to the shortest under that name.
        window: Iterations of the trailing mean; the first values average fewer.
        title: Heading of the figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure, axes = _new_figure(title)
    for index, (name, seeds) in enumerate(curves.items()):
        per_iteration = list(zip(*(trailing_mean(curve, window) for curve in seeds), strict=False))
        iterations = range(1, len(per_iteration) + 1)
        means = [sum(values) / len(values) for values in per_iteration]
        style: dict[str, Any] = {"color": f"C{index}", "linestyle": _LINES[index // 10 % 3]}
        axes.plot(iterations, means, label=f"{name} ({len(seeds)} seeds)", **style)
        low, high = [min(values) for values in per_iteration], [max(v) for v in per_iteration]
        alpha = 0.2 if len(curves) <= 4 else 0.04  # many bands would hide the lines
        axes.fill_between(iterations, low, high, color=f"C{index}", alpha=alpha, linewidth=0)
    smoothed = "" if window == 1 else f", mean of {window} iterations"
    _finish_rates(axes, ylabel=f"success rate{smoothed}")
    return figure


def trailing_mean(values: Sequence[float], window: int) -> list[float]:
    """Average each value with up to ``window - 1`` values before it."""
    blocks = (values[max(0, end - window) : end] for end in range(1, len(values) + 1))
    return [sum(block) / len(block) for block in blocks]


def anchor_group_sizes(summaries: Sequence[IterationSummary], *, title: str = "") -> "Figure":
    """Draw the share of anchor groups in each bin of sizes, over iterations.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure, axes = _new_figure(title)
    counted = [summary for summary in summaries if summary.anchor_group_sizes]
    iterations = [summary.iteration for summary in counted]
    shares = [size_shares(summary.anchor_group_sizes) for summary in counted]
    if counted:
        axes.stackplot(
            iterations,
            *zip(*shares, strict=True),
            labels=[bin_label(*bounds) for bounds in SIZE_BINS],
        )
    _finish_rates(axes, ylabel="share of anchor groups")
    return figure


def size_shares(sizes: Sequence[tuple[int, float]]) -> list[float]:
    """Sum (size, count) pairs into `SIZE_BINS`, as fractions of all groups; 0 if there are none."""
    total = sum(count for _, count in sizes)
    shares = []
    for low, high in SIZE_BINS:
        inside = sum(
            count for size, count in sizes if size >= low and (high is None or size <= high)
        )
        shares.append(inside / total if total else 0.0)
    return shares


def bin_label(low: int, high: int | None) -> str:
    """Return the label of a bin of sizes: "1", "2-4" or "11+"."""
    if high is None:
        return f"{low}+"
    return str(low) if low == high else f"{low}-{high}"


def save(figure: "Figure", path: Path) -> Path:
    """Write a figure in the image format of the file's suffix; return ``path``."""
    figure.savefig(path, dpi=150, bbox_inches="tight")
    return path


def _new_figure(title: str) -> "tuple[Figure, Axes]":
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            'Figures need matplotlib; run pip install "rllib-gigpo[plot]"'
        ) from error
    # pyplot keeps figures in a global list and may look for a display, so it is not used.
    figure = Figure(figsize=(7, 4))
    axes = figure.add_subplot()
    axes.set_title(title)
    return figure, axes


def _finish_rates(axes: "Axes", *, ylabel: str) -> None:
    axes.set_xlabel("iteration")
    axes.set_ylabel(ylabel)
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.3)
    num_lines = len(axes.get_legend_handles_labels()[0])
    if num_lines > _MOST_INSIDE:  # beside the curves, which it would hide
        axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    elif num_lines:
        axes.legend(fontsize="small")


def _draw_evaluations(
    axes: "Axes", summaries: Sequence[IterationSummary], *, label: str, colour: str
) -> None:
    iterations, rates = _points(summaries, "eval_success_rate")
    if not iterations:
        return
    axes.plot(iterations, rates, "o", color=colour, markersize=4, label=label)
    for summary in summaries:
        if summary.eval_success_ci_low is not None and summary.eval_success_ci_high is not None:
            interval = (summary.eval_success_ci_low, summary.eval_success_ci_high)
            axes.vlines(summary.iteration, *interval, color=colour, linewidth=1)


def _points(summaries: Sequence[IterationSummary], field: str) -> tuple[list[int], list[float]]:
    points = [(summary.iteration, getattr(summary, field)) for summary in summaries]
    known = [(iteration, value) for iteration, value in points if value is not None]
    return [iteration for iteration, _ in known], [value for _, value in known]

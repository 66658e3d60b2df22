"""The comparison of two agents on one panel, paired by task.

The difference of a task is the mean success of the second agent over its decoding seeds (and its
runs, such as training seeds), minus that of the first. Its interval over tasks is Student's 95 %
interval of the mean of these differences. With several runs of both agents, a second interval is
that of Welch over the runs, because a difference between two runs need not be one between methods.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from rllib_gigpo.errors import PanelError
from rllib_gigpo.panels.played_task import PanelResult, PlayedTask
from rllib_gigpo.panels.summary import student_interval


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference with its 95 % interval.

    Attributes:
        mean: Second agent minus first; success as a fraction, lengths in steps.
        low: Lower bound; None without an interval.
        high: Upper bound; None without an interval.
        num_pairs: Tasks, or runs of the smaller side, behind it.
        num_needed: Tasks that would show a difference of this size; None if it is shown, or 0.
    """

    mean: float
    low: float | None
    high: float | None
    num_pairs: int
    num_needed: int | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences between two agents.

    Attributes:
        panel: Name and digest of the panel.
        success: Over the tasks that both played.
        success_over_runs: Over runs; None unless both agents have two or more.
        steps: Length of successes, over the tasks that both won at least once; None without any.
        by_tag: Success by tag.
        num_left_out: Tasks that one of the two did not play.
    """

    panel: str
    success: Difference
    success_over_runs: Difference | None
    steps: Difference | None
    by_tag: dict[str, Difference]
    num_left_out: int


def compare(first: Sequence[PanelResult], second: Sequence[PanelResult]) -> Comparison:
    """Compare two agents.

    Args:
        first: The results of the first agent, the baseline, one for each run.
        second: Those of the second.

    Raises:
        PanelError: The results are not of one panel, or no task was played by both.
    """
    _check_one_panel([*first, *second])
    won, other_won = (_by_task(side, lambda one: float(one.won)) for side in (first, second))
    common = sorted(won.keys() & other_won.keys())
    if not common:
        raise PanelError("No task was played by both agents, so they cannot be compared.")
    steps, other_steps = (
        _by_task(side, lambda one: float(one.num_steps) if one.won else None)
        for side in (first, second)
    )
    both_won = sorted(steps.keys() & other_steps.keys())
    tags = {one.task: one.tags for result in (*first, *second) for one in result.played}
    by_tag = {
        tag: _paired(won, other_won, [task for task in common if tag in tags[task]])
        for tag in sorted({tag for task in common for tag in tags[task]})
    }
    one = first[0]
    return Comparison(
        panel=f"{one.panel} v{one.panel_version} ({one.panel_digest})",
        success=_paired(won, other_won, common),
        success_over_runs=_over_runs(first, second),
        steps=_paired(steps, other_steps, both_won) if both_won else None,
        by_tag=by_tag,
        num_left_out=len(won.keys() ^ other_won.keys()),
    )


def _check_one_panel(results: Sequence[PanelResult]) -> None:
    panels = {f"{one.panel} v{one.panel_version} ({one.panel_digest})": one for one in results}
    if len(panels) > 1:
        named = "; ".join(f"{one.agent} played {label}" for label, one in panels.items())
        raise PanelError(
            f"These results are of different panels, so nothing can be said: {named}. Play one"
            " panel with both agents."
        )


def _by_task(
    results: Sequence[PanelResult], value: Callable[[PlayedTask], float | None]
) -> dict[int, float]:
    """Average a value of the episodes of each task; episodes without one do not count."""
    found: dict[int, list[float]] = {}
    for result in results:
        for one in result.played:
            number = value(one)
            if number is not None:
                found.setdefault(one.task, []).append(number)
    return {task: float(np.mean(numbers)) for task, numbers in found.items()}


def _paired(first: dict[int, float], second: dict[int, float], tasks: Sequence[int]) -> Difference:
    differences = [second[task] - first[task] for task in tasks]
    mean, interval = float(np.mean(differences)), student_interval(differences)
    if interval is None:
        return Difference(mean, None, None, len(tasks))
    found = Difference(mean, *interval, len(tasks))
    if found.is_shown or mean == 0:
        return found
    needed = (stats.norm.ppf(0.975) * float(np.std(differences, ddof=1)) / mean) ** 2
    return Difference(mean, *interval, len(tasks), math.ceil(needed))


def _over_runs(first: Sequence[PanelResult], second: Sequence[PanelResult]) -> Difference | None:
    if min(len(first), len(second)) < 2:
        return None
    rates = [
        [float(np.mean([one.won for one in result.played])) for result in results]
        for results in (second, first)
    ]
    mean = float(np.mean(rates[0]) - np.mean(rates[1]))
    if not any(np.std(side) for side in rates):
        return Difference(mean, None, None, min(map(len, rates)))
    interval = stats.ttest_ind(*rates, equal_var=False).confidence_interval(0.95)
    return Difference(mean, float(interval.low), float(interval.high), min(map(len, rates)))

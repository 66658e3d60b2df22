"""The comparison of two agents on one panel, paired by task.

The difference of a task is the mean success of the second agent over its decoding seeds (and its
runs, such as training seeds), minus that of the first. The interval over tasks is that of Agresti
and Min (Stat. Med. 24, 2005) for matched proportions: Wald's, with two more tasks of which half a
one counts +1, half a one -1, and one 0. So it is also right if all tasks differ alike. Lengths have
Student's interval. With several runs of both agents, a second interval is Welch's over the runs,
because a difference between two runs need not be one between methods.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rllib_gigpo.errors import PanelError
from rllib_gigpo.panels.played_task import PanelResult, PlayedTask
from rllib_gigpo.panels.summary import mean_by_task, student_interval, task_means

_Z_95, _Z_80 = 1.959963984540054, 0.8416212335729143  # quantiles of the normal distribution


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference with its 95 % interval.

    Attributes:
        mean: Second agent minus first; success as a fraction, lengths in steps.
        low: Lower bound; None without an interval.
        high: Upper bound; None without an interval.
        num_pairs: Tasks, or runs of the smaller side, behind it.
        num_needed: Tasks that would show a difference of this size four times out of five; None if
            it is shown, or 0.
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
    won, other_won = (task_means(_played(side)) for side in (first, second))
    common = sorted(won.keys() & other_won.keys())
    if not common:
        raise PanelError("No task was played by both agents, so they cannot be compared.")
    steps, other_steps = (
        mean_by_task((one.task, float(one.num_steps)) for one in _played(side) if one.won)
        for side in (first, second)
    )
    both_won = sorted(steps.keys() & other_steps.keys())
    tags = {one.task: one.tags for one in (*_played(first), *_played(second))}

    def differ(tasks: Sequence[int]) -> Difference:
        return _of_rates([other_won[task] - won[task] for task in tasks])

    lengths = [other_steps[task] - steps[task] for task in both_won]
    return Comparison(
        panel=first[0].panel_label,
        success=differ(common),
        success_over_runs=_over_runs(first, second, common),
        steps=_of_lengths(lengths) if lengths else None,
        by_tag={
            tag: differ([task for task in common if tag in tags[task]])
            for tag in sorted({tag for task in common for tag in tags[task]})
        },
        num_left_out=len(won.keys() ^ other_won.keys()),
    )


def _played(results: Sequence[PanelResult]) -> list[PlayedTask]:
    return [one for result in results for one in result.played]


def _check_one_panel(results: Sequence[PanelResult]) -> None:
    panels = {one.panel_label: one for one in results}
    if len(panels) > 1:
        named = "; ".join(f"{one.agent} played {label}" for label, one in panels.items())
        raise PanelError(
            f"These results are of different panels, so nothing can be said: {named}. Play one"
            " panel with both agents."
        )


def _of_rates(differences: Sequence[float]) -> Difference:
    """Return the mean of differences between rates, with Agresti and Min's interval."""
    size, mean = len(differences), float(np.mean(differences))
    middle = sum(differences) / (size + 2)
    variance = (sum(one**2 for one in differences) + 1.0) / (size + 2) - middle**2
    half = _Z_95 * math.sqrt(variance / (size + 2))
    low, high = max(-1.0, middle - half), min(1.0, middle + half)
    return _with_need(Difference(mean, low, high, size), math.sqrt(variance))


def _of_lengths(differences: Sequence[float]) -> Difference:
    """Return the mean of differences between lengths, with Student's interval if there is one."""
    mean, interval = float(np.mean(differences)), student_interval(differences)
    if interval is None:
        return Difference(mean, None, None, len(differences))
    found = Difference(mean, *interval, len(differences))
    return _with_need(found, float(np.std(differences, ddof=1)))


def _with_need(found: Difference, std: float) -> Difference:
    """Add how many tasks show a difference of this size with a probability of 0.8."""
    if found.is_shown or found.mean == 0:
        return found
    needed = math.ceil(((_Z_95 + _Z_80) * std / found.mean) ** 2)
    return replace(found, num_needed=max(needed, found.num_pairs + 1))


def _over_runs(
    first: Sequence[PanelResult], second: Sequence[PanelResult], tasks: Sequence[int]
) -> Difference | None:
    """Compare the runs' success on tasks that all of them played."""
    if min(len(first), len(second)) < 2:
        return None
    by_run = [[task_means(result.played) for result in side] for side in (second, first)]
    common = [task for task in tasks if all(task in run for side in by_run for run in side)]
    if not common:
        return None
    rates = [[float(np.mean([run[task] for task in common])) for run in side] for side in by_run]
    mean, size = float(np.mean(rates[0]) - np.mean(rates[1])), min(map(len, rates))
    if min(np.ptp(side) for side in rates) < 1e-9:  # a spread of 0 cannot be estimated
        return Difference(mean, None, None, size)
    from scipy import stats

    interval = stats.ttest_ind(*rates, equal_var=False).confidence_interval(0.95)
    return Difference(mean, max(-1.0, float(interval.low)), min(1.0, float(interval.high)), size)

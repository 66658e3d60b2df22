"""The measures of a learning run, and their comparison over seeds.

They know nothing of the environment: runs of the grid world and of language models share them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from paired import PairedDifference, paired_difference

NUM_PANEL_TASKS = 256
Outcomes = Sequence[float] | np.ndarray


def area_under(steps: Sequence[int], success: Sequence[float], budget: int) -> float:
    """Average the success of training over the environment steps from 0 to ``budget``.

    This is the area under the success curve divided by the budget. The curve is piecewise constant:
    the success of an iteration holds for the steps that the iteration took. The last iteration is
    cut at the budget, and later ones do not count.

    Args:
        steps: (I,) Environment steps taken by the end of each iteration, ascending.
        success: (I,) Mean success of each iteration's episodes, in [0, 1].
        budget: Environment steps, above 0.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: The run ended before the budget, or an argument is malformed.
    """
    if budget <= 0:
        raise ValueError(f"budget={budget} must be above 0 environment steps")
    if len(steps) != len(success):
        raise ValueError(
            f"{len(steps)} numbers of steps and {len(success)} of success do not match; both need"
            " one entry per iteration"
        )
    ends = np.asarray([0, *steps], dtype=np.float64)
    if (np.diff(ends) <= 0).any():
        raise ValueError(
            "steps must be cumulative: above 0, and more after each iteration; got"
            f" {list(steps)[:5]} ..."
        )
    if ends[-1] < budget:
        raise ValueError(
            f"the run ended after {ends[-1]:.0f} environment steps, before the budget of {budget};"
            " train longer or compare at a smaller budget"
        )
    taken = np.diff(np.minimum(ends, budget))
    return float(taken @ np.asarray(success, dtype=np.float64)) / budget


@dataclass(frozen=True, slots=True)
class PanelOutcome:
    """How a policy does on a fixed panel of tasks.

    Attributes:
        success: Mean success over the tasks, in [0, 1].
        steps_of_successes: Mean environment steps of the successful episodes; None without any.
    """

    success: float
    steps_of_successes: float | None

    @classmethod
    def of(cls, success: Outcomes, steps: Outcomes) -> PanelOutcome:
        """Average over the tasks of a panel.

        Args:
            success: (N,) Success of each task: its probability, its share of episodes, or 0 or 1.
            steps: (N,) Mean steps of the successful episodes of each task; ignored where success
                is 0. A task counts in the mean as often as it succeeds.

        Raises:
            ValueError: There is no task, or the lengths differ.
        """
        chances, lengths = np.asarray(success, np.float64), np.asarray(steps, np.float64)
        if len(chances) == 0 or chances.shape != lengths.shape:
            raise ValueError(
                f"success {chances.shape} and steps {lengths.shape} need one entry per task, and"
                " one task or more"
            )
        has_won = chances > 0.0
        if not has_won.any():
            return cls(0.0, None)
        won = chances[has_won]
        return cls(float(chances.mean()), float(won @ lengths[has_won] / won.sum()))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A measure of one variant against that of a baseline with the same seeds.

    Attributes:
        values: The variant's value by seed.
        baseline: The baseline's value by seed.
    """

    values: Mapping[int, float]
    baseline: Mapping[int, float]

    def __post_init__(self) -> None:
        """Reject runs that cannot be paired."""
        alone = sorted(set(self.values) ^ set(self.baseline))
        if alone:
            raise ValueError(
                f"seeds {alone} have a run of only one of the two variants; run the missing ones"
            )

    def difference(self) -> PairedDifference:
        """Return the mean of variant minus baseline, paired by seed, with its 95 % interval.

        Raises:
            ValueError: There are fewer than two seeds.
        """
        seeds = sorted(self.values)
        return paired_difference(
            [self.values[seed] for seed in seeds], [self.baseline[seed] for seed in seeds]
        )

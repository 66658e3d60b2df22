"""Differences of runs paired by seed, with their 95 % interval."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats  # comes with ray[rllib]


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean of paired differences and the bounds of Student's 95 % interval."""

    mean: float
    low: float
    high: float
    num_pairs: int

    @property
    def is_shown(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0

    def values(self, name: str) -> dict[str, float]:
        """Return mean and bounds as ``name``, ``name_low`` and ``name_high``."""
        return {name: self.mean, f"{name}_low": self.low, f"{name}_high": self.high}


def paired_difference(values: Sequence[float], others: Sequence[float]) -> PairedDifference:
    """Return ``values`` minus ``others``, which have the same seeds in the same order.

    Raises:
        ValueError: There are fewer than two pairs, or the numbers of values differ.
    """
    differences = [value - other for value, other in zip(values, others, strict=True)]
    if len(differences) < 2:
        raise ValueError(
            f"an interval needs two pairs of runs or more, got {len(differences)}; add seeds"
        )
    return PairedDifference(*student_interval(differences), len(differences))


def student_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of two values or more, and the bounds of Student's 95 % interval."""
    mean = statistics.fmean(values)
    error = statistics.stdev(values) / len(values) ** 0.5
    half = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return mean, mean - half, mean + half

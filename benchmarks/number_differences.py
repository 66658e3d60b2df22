"""Compare the numbers of two recorded runs and lay out their differences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from record_numbers import EXACT, FLOATS, TOPICS

# Metrics with a line each; the others of a topic share a line.
METRICS = (
    "learners/default_policy/total_loss",
    "learners/default_policy/policy_loss",
    "learners/default_policy/grad_norm",
    "env_runners/success_rate",
)


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of two runs in one quantity of one iteration."""

    quantity: str
    iteration: int  # from 1
    largest: float  # absolute; infinite if the sizes differ or one run lacks the quantity
    num_different: int  # numbers, or metrics if several share a line
    where: str = ""  # the metric that differs most, if several share a line


def is_within(difference: Difference, tolerance: float) -> bool:
    """Return whether a difference is tolerated; token ids and labels must be equal."""
    if difference.quantity in EXACT:
        return difference.num_different == 0
    return difference.largest <= tolerance


def array_differences(
    arrays: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray], iterations: int
) -> Iterator[Difference]:
    """Compare the token rows."""
    for quantity in EXACT + FLOATS:
        for iteration in range(1, iterations + 1):
            key = f"{iteration}/{quantity}"
            if key in arrays or key in others:
                yield difference(quantity, iteration, arrays.get(key), others.get(key))


def metric_differences(
    metrics: Sequence[Mapping[str, float]], others: Sequence[Mapping[str, float]]
) -> Iterator[Difference]:
    """Compare the metrics that both runs have; both must have those of `METRICS`."""
    for iteration, (ours, theirs) in enumerate(zip(metrics, others, strict=True), 1):
        for name in METRICS:
            yield difference(name, iteration, ours.get(name), theirs.get(name))
        for topic in TOPICS:
            names = sorted(name for name in ours.keys() & theirs if name.startswith(f"{topic}/"))
            found = [difference(name, iteration, ours[name], theirs[name]) for name in names]
            if found:
                worst = max(found, key=lambda one: (one.num_different, one.largest))
                number = sum(one.num_different for one in found)
                yield Difference(f"{topic}/...", iteration, worst.largest, number, worst.quantity)


def difference(quantity: str, iteration: int, one: Any, other: Any) -> Difference:
    """Compare two arrays or numbers; NaN equals NaN."""
    if one is None or other is None or np.shape(one) != np.shape(other):
        return Difference(quantity, iteration, np.inf, 1)
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    differs = ~((one == other) | (np.isnan(one) & np.isnan(other)))
    distances = np.nan_to_num(np.abs(one - other)[differs], nan=np.inf, posinf=np.inf)
    largest = float(distances.max(initial=0.0))
    return Difference(quantity, iteration, largest, int(differs.sum()))


def as_record(difference: Difference) -> dict[str, Any]:
    """Return a difference as a dict for JSON, with None instead of infinity."""
    record = asdict(difference)
    return record if math.isfinite(difference.largest) else {**record, "largest": None}


def table_lines(differences: Sequence[Difference], iterations: int) -> Iterator[str]:
    """Yield a line per quantity with its largest difference in each iteration."""
    cells = {(one.quantity, one.iteration): one for one in differences}
    numbers = range(1, iterations + 1)
    head = "largest difference (how many)"
    yield f"{head:38}" + "".join(f"{f'iteration {number}':>16}" for number in numbers)
    for quantity in dict.fromkeys(one.quantity for one in differences):
        of_one = [cells.get((quantity, number)) for number in numbers]
        notes = dict.fromkeys(one.where for one in of_one if one and one.num_different)
        note = ", ".join(name.rpartition("/")[2] for name in notes if name)
        cells_of_one = "".join(f"{_cell(one):>16}" for one in of_one)
        yield f"{quantity:38}{cells_of_one}  {note}".rstrip()


def _cell(one: Difference | None) -> str:
    if one is None:
        return "-"
    if one.num_different == 0:
        return "same"
    return (
        f"{one.largest:.3g} ({one.num_different})" if math.isfinite(one.largest) else "other size"
    )


def model_line(model: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Return a line that says whether both runs started from the same model."""
    if not model or not other:
        return "model: one config or both name no model"
    unequal = [name for name in sorted({*model, *other}) if model.get(name) != other.get(name)]
    return f"model: {'other bytes in ' + ', '.join(unequal) if unequal else 'the same bytes'}"

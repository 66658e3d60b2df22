"""Anchor groups of the recorded steps: the largest, and those whose advantages differ most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import pstdev
from typing import Any

from rllib_gigpo.viewer.group_lanes import anchor_of
from rllib_gigpo.viewer.recorded_steps import RecordedGroup


@dataclass(frozen=True, slots=True)
class AnchorRow:
    """The steps of a group that share an anchor.

    Attributes:
        spread: Standard deviation of the steps' returns R_t; without it, A^S is 0.
        actions: Mean of A^S by action, the best first.
    """

    iteration: int
    group_id: int
    task: int
    text: str
    size: int
    spread: float
    actions: tuple[tuple[str, float], ...]


def anchor_rows(groups: Iterable[RecordedGroup]) -> list[AnchorRow]:
    """List the anchor groups of two steps or more."""
    return [_row(group, steps) for group in groups for steps in _by_anchor(group) if len(steps) > 1]


def largest(rows: Iterable[AnchorRow], count: int) -> list[AnchorRow]:
    """Return the rows with most steps."""
    return sorted(rows, key=lambda row: -row.size)[:count]


def most_spread(rows: Iterable[AnchorRow], count: int) -> list[AnchorRow]:
    """Return the rows whose returns differ most."""
    return sorted(rows, key=lambda row: -row.spread)[:count]


def _by_anchor(group: RecordedGroup) -> Iterable[list[Mapping[str, Any]]]:
    found = defaultdict[Any, list[Mapping[str, Any]]](list)
    for _, step in group.steps():
        found[anchor_of(step)].append(step)
    return found.values()


def _row(group: RecordedGroup, steps: list[Mapping[str, Any]]) -> AnchorRow:
    advantages = defaultdict[str, list[float]](list)
    for step in steps:
        advantages[step["action"]].append(step["step_advantages"])
    means = {action: sum(values) / len(values) for action, values in advantages.items()}
    return AnchorRow(
        iteration=group.iteration,
        group_id=group.group_id,
        task=group.task,
        text=steps[0]["anchor"],
        size=len(steps),
        spread=pstdev(step["step_returns"] for step in steps),
        actions=tuple(sorted(means.items(), key=lambda item: -item[1])),
    )

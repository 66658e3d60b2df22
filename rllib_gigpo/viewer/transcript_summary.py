"""What the pages need of a whole transcript: its groups in short, and its largest anchor groups.

A run may have hundreds of transcripts, each as large as memory allows; their summaries are small.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from heapq import nlargest
from operator import attrgetter
from pathlib import Path
from statistics import pstdev
from typing import Any

from rllib_gigpo.viewer.group_lanes import anchor_of
from rllib_gigpo.viewer.recorded_steps import RecordedGroup, recorded_groups

MOST_ANCHORS = 100  # of each ranking


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """A group in short.

    Attributes:
        outcomes: How many episodes were won, lost and truncated.
        num_steps: Steps of all episodes.
    """

    iteration: int
    group_id: int
    task: int
    outcomes: Mapping[str, int]
    num_steps: int
    tags: tuple[str, ...]


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


@dataclass(frozen=True, slots=True)
class TranscriptSummary:
    """An iteration's transcript in short.

    Attributes:
        largest: Anchor groups with most steps.
        most_spread: Anchor groups whose returns differ most.
    """

    iteration: int
    groups: tuple[GroupSummary, ...]
    largest: tuple[AnchorRow, ...]
    most_spread: tuple[AnchorRow, ...]


@cache
def summarize_transcript(file: Path, iteration: int, version: tuple[int, int]) -> TranscriptSummary:
    """Read a transcript once and keep its summary; the arguments are those of `recorded_groups`."""
    groups = recorded_groups(file, iteration, version)
    rows = anchor_rows(groups)
    return TranscriptSummary(
        iteration,
        tuple(map(summarize_group, groups)),
        tuple(largest(rows)),
        tuple(most_spread(rows)),
    )


def summarize_group(group: RecordedGroup) -> GroupSummary:
    """Count a group's outcomes and steps."""
    outcomes = Counter(episode.outcome for episode in group.episodes)
    return GroupSummary(
        iteration=group.iteration,
        group_id=group.group_id,
        task=group.task,
        outcomes={name: outcomes[name] for name in ("won", "lost", "truncated") if outcomes[name]},
        num_steps=sum(len(episode.steps) for episode in group.episodes),
        tags=group.episodes[0].tags,
    )


def outcomes_by_task(summaries: Iterable[TranscriptSummary]) -> dict[int, Counter[str]]:
    """Return how often each recorded task was won, lost and truncated."""
    counted = defaultdict[int, Counter[str]](Counter)
    for summary in summaries:
        for group in summary.groups:
            counted[group.task].update(group.outcomes)
    return dict(sorted(counted.items()))


def anchor_rows(groups: Iterable[RecordedGroup]) -> list[AnchorRow]:
    """List the anchor groups of two steps or more."""
    return [_row(group, steps) for group in groups for steps in _by_anchor(group) if len(steps) > 1]


def largest(rows: Iterable[AnchorRow], count: int = MOST_ANCHORS) -> list[AnchorRow]:
    """Return the rows with most steps."""
    return nlargest(count, rows, key=attrgetter("size"))


def most_spread(rows: Iterable[AnchorRow], count: int = MOST_ANCHORS) -> list[AnchorRow]:
    """Return the rows whose returns differ most."""
    return nlargest(count, rows, key=attrgetter("spread"))


def _by_anchor(group: RecordedGroup) -> Iterable[list[Mapping[str, Any]]]:
    found = defaultdict[Any, list[Mapping[str, Any]]](list)
    for _, step in group.steps():
        found[anchor_of(step)].append(step)
    return found.values()


def _row(group: RecordedGroup, steps: list[Mapping[str, Any]]) -> AnchorRow:
    advantages = defaultdict[str, list[float]](list)
    for step in steps:
        advantages[step["action"]].append(step["step_advantages"] or 0.0)
    means = {action: sum(values) / len(values) for action, values in advantages.items()}
    return AnchorRow(
        iteration=group.iteration,
        group_id=group.group_id,
        task=group.task,
        text=steps[0]["anchor"],
        size=len(steps),
        spread=pstdev(step["step_returns"] or 0.0 for step in steps),
        actions=tuple(sorted(means.items(), key=lambda item: -item[1])),
    )

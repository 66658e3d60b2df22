"""Groups of episodes as a run's transcripts hold them; see `rllib_gigpo.reports.transcripts`."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

Outcome = Literal["won", "lost", "truncated"]


@dataclass(frozen=True, slots=True)
class RecordedEpisode:
    """One episode of a group.

    Attributes:
        member: Its number in the group.
        steps: The lines of the transcript, one for each step.
    """

    member: int
    steps: tuple[Mapping[str, Any], ...]

    @property
    def outcome(self) -> Outcome:
        """How it ended; an episode that a limit ended without a win is "truncated"."""
        last = self.steps[-1]
        if last.get("is_won", last["is_terminated"] and self.total_reward > 0):
            return "won"
        return "lost" if last["is_terminated"] else "truncated"

    @property
    def total_reward(self) -> float:
        """What the environment paid in all; older runs recorded only the rewards for credit."""
        return sum(step.get("env_reward", step["rewards"]) or 0.0 for step in self.steps)

    @property
    def fork(self) -> tuple[int, int] | None:
        """The member and the step at which a fork left it; None for an episode from the reset."""
        first = self.steps[0]
        return (first["forked_from"], first["forked_at"]) if "forked_from" in first else None

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of its task."""
        return tuple(self.steps[0].get("tags", ()))


@dataclass(frozen=True, slots=True)
class RecordedGroup:
    """The episodes of one task in one iteration."""

    iteration: int
    group_id: int
    task: int
    episodes: tuple[RecordedEpisode, ...]

    def steps(self) -> Iterator[tuple[RecordedEpisode, Mapping[str, Any]]]:
        """Yield (episode, step) of the steps that episodes chose, not of those a fork repeated."""
        for episode in self.episodes:
            for step in episode.steps:
                if not step.get("is_replayed"):
                    yield episode, step


def version_of(file: Path) -> tuple[int, int]:
    """Return what changes when a file is written: its time and its size; (0, 0) without a file."""
    try:
        status = file.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=4)
def recorded_groups(file: Path, iteration: int, version: tuple[int, int]) -> list[RecordedGroup]:
    """Read a transcript as far as it can be read.

    Args:
        file: The transcript.
        iteration: Its iteration.
        version: The file's ``version_of``; what was read is kept for a while.
    """
    groups = defaultdict[tuple[int, int], dict[int, list[dict[str, Any]]]](dict)
    for line in _lines(file):
        members = groups[line["group_id"], line["task_seed"]]
        members.setdefault(line["member"], []).append(line)
    return [
        RecordedGroup(
            iteration=iteration,
            group_id=group_id,
            task=task,
            episodes=tuple(
                RecordedEpisode(member, tuple(sorted(steps, key=lambda step: step["step"])))
                for member, steps in sorted(members.items())
            ),
        )
        for (group_id, task), members in sorted(groups.items())
    ]


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    opened = gzip.open if file.suffix == ".gz" else open
    try:
        with opened(file, "rt", encoding="utf-8", errors="replace") as text:
            for line in text:
                try:  # JSON has no NaN, and neither may the pages
                    yield json.loads(line, parse_constant=lambda name: None)
                except json.JSONDecodeError:
                    continue
    except (OSError, EOFError, zlib.error):  # deleted, damaged, or its end is not yet written
        return

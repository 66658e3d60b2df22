"""Groups of episodes as a run's transcripts hold them; see `rllib_gigpo.reports.transcripts`."""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from rllib_gigpo.reports.results import TRANSCRIPT_FOLDER

_NAME = re.compile(r"iteration_(\d+)\.jsonl(\.gz)?")

Outcome = Literal["won", "lost", "cut"]


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
        """How it ended: "cut" by a limit, "won", or "lost"."""
        last = self.steps[-1]
        if last.get("is_won", last["is_terminated"] and self.total_reward > 0):
            return "won"
        return "lost" if last["is_terminated"] else "cut"

    @property
    def total_reward(self) -> float:
        """The sum of its rewards."""
        return float(sum(step["rewards"] for step in self.steps))

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
        """Yield (episode, step) of all steps, episode after episode."""
        for episode in self.episodes:
            for step in episode.steps:
                yield episode, step


def transcript_files(run_folder: Path) -> dict[int, Path]:
    """Return the transcripts of a run by iteration."""
    found = ((_NAME.fullmatch(file.name), file) for file in _files(run_folder / TRANSCRIPT_FOLDER))
    return {int(match[1]): file for match, file in found if match}


def recorded_groups(file: Path, iteration: int) -> list[RecordedGroup]:
    """Read a transcript; a line that a killed run left half written is passed over."""
    status = file.stat()
    return _read(file, iteration, (status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=16)
def _read(file: Path, iteration: int, stamp: tuple[int, int]) -> list[RecordedGroup]:
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
        with opened(file, "rt", encoding="utf-8") as text:
            for line in text:
                try:
                    yield json.loads(line)
                except json.JSONDecodeError:
                    continue
    except EOFError:  # a gzip file whose end is not yet written
        return


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []

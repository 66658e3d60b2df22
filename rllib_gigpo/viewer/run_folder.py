"""The folder of a run: its results, settings and faults, read while the run goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rllib_gigpo.errors import GiGPOError
from rllib_gigpo.reports.results import (
    ERROR_FILE,
    RESULT_FILE,
    TRANSCRIPT_FOLDER,
    VERSIONS_FILE,
    read_results,
    transcript_files,
)
from rllib_gigpo.viewer.recorded_steps import RecordedGroup, recorded_groups, version_of
from rllib_gigpo.viewer.transcript_summary import TranscriptSummary, summarize_transcript

_SETTINGS_FILE = "params.json"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run, or one trial of a search.

    Attributes:
        folder: Where ``result.json`` is.
        name: What tells it from the other runs on the page.
    """

    folder: Path
    name: str

    def results(self) -> list[dict[str, Any]]:
        """Read the results of all iterations, in their order; [] if there are none."""
        file = self.folder / RESULT_FILE
        return _results(file, version_of(file))

    def settings(self) -> dict[str, Any]:
        """Read the settings that Tune wrote; {} if there are none yet."""
        return _object_in(self.folder / _SETTINGS_FILE)

    def versions(self) -> dict[str, Any]:
        """Read the versions of the packages; {} if `rllib train` has not written them."""
        return _object_in(self.folder / VERSIONS_FILE)

    def error(self) -> str:
        """Return the traceback that ended the run; "" if it did not fail."""
        try:
            return (self.folder / ERROR_FILE).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def transcript_sizes(self) -> dict[int, int]:
        """Return the sizes of the transcripts in bytes, by iteration."""
        return {
            iteration: version_of(file)[1]
            for iteration, file in transcript_files(self.folder).items()
        }

    def groups(self, iteration: int) -> list[RecordedGroup]:
        """Read the groups of an iteration's transcript; [] if it has none."""
        file = transcript_files(self.folder).get(iteration)
        return recorded_groups(file, iteration, version_of(file)) if file else []

    def all_groups(self) -> Iterator[RecordedGroup]:
        """Read the groups of all transcripts, the oldest first."""
        for iteration in transcript_files(self.folder):
            yield from self.groups(iteration)

    def summaries(self) -> list[TranscriptSummary]:
        """Return what is known of each transcript, the oldest first; each is read once."""
        return [
            summarize_transcript(file, iteration, version_of(file))
            for iteration, file in transcript_files(self.folder).items()
        ]

    def groups_of_task(self, task: int) -> Iterator[RecordedGroup]:
        """Read the groups that played a task, the newest first."""
        for summary in reversed(self.summaries()):
            if any(group.task == task for group in summary.groups):
                found = self.groups(summary.iteration)
                yield from (group for group in found if group.task == task)

    def stamp(self) -> str:
        """Return a text that changes when the run has written something."""
        names = (RESULT_FILE, ERROR_FILE, TRANSCRIPT_FOLDER)
        return ".".join(str(version_of(self.folder / name)[0]) for name in names)


def find_runs(path: Path) -> list[RunFolder]:
    """Find the runs in a folder: the folder itself, or all below it that have results.

    Args:
        path: The folder of a run, of a search, or of many runs.

    Raises:
        GiGPOError: The folder does not exist, or holds no run.
    """
    if not path.is_dir():
        raise GiGPOError(f"{path}: no such folder; pass the one that `rllib train` has printed")
    folders = sorted(_with_results(path))
    if not folders:
        raise GiGPOError(
            f"{path}: no {RESULT_FILE} here or in the folders below; pass the folder that"
            " `rllib train` has printed, after its first iteration"
        )
    return [RunFolder(one, _name(one, path)) for one in folders]


@lru_cache(maxsize=64)
def _results(file: Path, version: tuple[int, int]) -> list[dict[str, Any]]:
    try:
        return read_results(file)
    except (GiGPOError, OSError):  # deleted
        return []


def _object_in(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _with_results(path: Path) -> Iterator[Path]:
    for folder, below, files in os.walk(path):
        below[:] = [one for one in below if not one.startswith((".", "checkpoint_"))]
        if RESULT_FILE in files:
            yield Path(folder)


def _name(folder: Path, root: Path) -> str:
    return folder.resolve().name if folder == root else str(folder.relative_to(root))


def flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path, value) of nested dicts, with paths such as "rule.name"."""
    for name, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value

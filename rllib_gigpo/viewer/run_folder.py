"""The folder of a run: its results, settings and faults, read while the run goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rllib_gigpo.errors import GiGPOError
from rllib_gigpo.reports.results import ERROR_FILE, RESULT_FILE, VERSIONS_FILE, read_results
from rllib_gigpo.viewer.recorded_steps import RecordedGroup, recorded_groups, transcript_files

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
        """Read the results of all iterations, in their order."""
        return read_results(self.folder / RESULT_FILE)

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

    def iterations(self) -> list[int]:
        """List the iterations that have a transcript."""
        return sorted(transcript_files(self.folder))

    def groups(self, iteration: int) -> list[RecordedGroup]:
        """Read the groups of an iteration's transcript; [] if it has none."""
        file = transcript_files(self.folder).get(iteration)
        return recorded_groups(file, iteration) if file else []

    def all_groups(self) -> Iterator[RecordedGroup]:
        """Read the groups of all transcripts, the oldest first."""
        for iteration in self.iterations():
            yield from self.groups(iteration)

    def stamp(self) -> str:
        """Return a text that changes when the run has written something."""
        files = [self.folder / RESULT_FILE, *transcript_files(self.folder).values()]
        times = [file.stat().st_mtime_ns for file in files if file.exists()]
        return f"{len(times)}-{max(times, default=0)}"


def find_runs(path: Path) -> list[RunFolder]:
    """Find the runs in a folder: the folder itself, or all below it that have results.

    Args:
        path: The folder of a run, of a search, or of many runs.

    Raises:
        GiGPOError: The folder does not exist, or holds no run.
    """
    if not path.is_dir():
        raise GiGPOError(f"{path}: no such folder; pass the one that `rllib train` has printed")
    folders = sorted(_with_results(path), key=lambda one: (one.stat().st_ctime_ns, one.name))
    if not folders:
        raise GiGPOError(
            f"{path}: no {RESULT_FILE} here or in the folders below; pass the folder that"
            " `rllib train` has printed, after its first iteration"
        )
    return [RunFolder(one, _name(one, path)) for one in folders]


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

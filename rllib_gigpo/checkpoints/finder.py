"""Finds the newest whole checkpoint of a run, and says which ones were passed over and why."""

import contextlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from rllib_gigpo.checkpoints.components import MODEL_CONFIG, missing_component
from rllib_gigpo.checkpoints.manifest import MANIFEST, manifest_fault
from rllib_gigpo.checkpoints.torn_files import file_fault, torn_file
from rllib_gigpo.checkpoints.written_aside import tidy
from rllib_gigpo.errors import CheckpointError

MARK = "rllib_checkpoint.json"  # RLlib writes it first into every checkpoint
MANIFEST_ENTRY = "manifest_file"  # in the mark of a checkpoint that has a manifest
_TUNE_NAME = re.compile(r"checkpoint_\d+")


@dataclass(frozen=True, slots=True)
class FoundCheckpoint:
    """A whole checkpoint, and newer ones of its trial that are not whole."""

    path: Path
    passed_over: tuple[str, ...] = ()  # such as "checkpoint_000004: manifest.json is missing"

    def report(self) -> None:
        """Print a line for each checkpoint that was passed over, and the one that is used."""
        for line in self.passed_over:
            print(f"passed over  {line}")
        if self.passed_over:
            print(f"taken        {self.path}, the newest whole checkpoint")


def is_checkpoint(path: Path) -> bool:
    """Return whether the folder itself is a checkpoint, whole or not."""
    is_named = _TUNE_NAME.fullmatch(path.name) is not None
    # Unlike pathlib, os.path takes an unreadable folder as empty.
    return os.path.isfile(path / MARK) or (is_named and os.path.isdir(path))


def checkpoint_fault(checkpoint: Path) -> str | None:
    """Return a clause about the first thing that is wrong with a checkpoint; None if it is whole.

    A checkpoint is compared with its manifest. One without, of an older version or of another
    algorithm, is only searched for files that end too early or are missing.
    """
    mark = checkpoint / MARK
    if not mark.is_file():
        return f"{MARK} is missing"
    fault = file_fault(mark)
    if fault:
        return f"{MARK} {fault}"
    content = json.loads(mark.read_bytes())
    is_promised = isinstance(content, dict) and MANIFEST_ENTRY in content
    if is_promised or (checkpoint / MANIFEST).is_file():
        return manifest_fault(checkpoint)
    is_ours = (checkpoint / MODEL_CONFIG).is_file()
    return torn_file(checkpoint) or (missing_component(checkpoint) if is_ours else None)


def newest_checkpoint(trial_folder: Path) -> FoundCheckpoint | None:
    """Return the newest whole ``checkpoint_000012`` of a Tune trial; None if there is none.

    The newest is the one with the largest number in its name.
    """
    passed_over = list[str]()
    for checkpoint in reversed(_checkpoints(trial_folder)):
        fault = checkpoint_fault(checkpoint)
        if fault is None:
            return FoundCheckpoint(checkpoint, tuple(passed_over))
        passed_over.append(f"{checkpoint.name}: {fault}")
    return None


def find_checkpoint(path: Path) -> FoundCheckpoint:
    """Return ``path`` if it is a checkpoint, else the newest whole one of the trial in it.

    Raises:
        CheckpointError: There is no whole checkpoint, or the folder holds several trials.
    """
    with contextlib.suppress(OSError):  # a disk for reading only
        tidy(path.resolve())
    if is_checkpoint(path):
        check_whole(path)
        return FoundCheckpoint(path)
    trials = trials_in(path)
    if not trials:
        raise CheckpointError(
            f"{path}: no checkpoint here or in the folders below (no {MARK}); "
            "pass a checkpoint, the folder of a trial, or a model folder"
        )
    if len(trials) > 1:
        names = ", ".join(map(str, trials))
        raise CheckpointError(f"{path} holds checkpoints of several trials; pass one of {names}")
    found = newest_checkpoint(trials[0])
    if found is None:
        raise CheckpointError(f"{trials[0]} holds no whole checkpoint: {all_faults(trials[0])}")
    return found


def trials_in(path: Path) -> list[Path]:
    """Return the folder itself and those in it that hold checkpoints."""
    found = _distinct([path, *sorted(path.glob("[!.]*"))])
    return [one for one in found if _checkpoints(one)]


def check_whole(checkpoint: Path) -> None:
    """Check that a checkpoint is whole.

    Raises:
        CheckpointError: It is not; the message names the file, and a whole checkpoint next to it.
    """
    fault = checkpoint_fault(checkpoint)
    if fault is None:
        return
    other = newest_checkpoint(checkpoint.parent) if _TUNE_NAME.fullmatch(checkpoint.name) else None
    remedy = (
        f"use {other.path}, which is whole"
        if other
        else "copy it again from its source to a new folder"
    )
    raise CheckpointError(f"The checkpoint {checkpoint} is not whole: {fault}; {remedy}")


def all_faults(trial_folder: Path) -> str:
    """Return what is wrong with every checkpoint of a trial, as one clause."""
    checkpoints = _checkpoints(trial_folder)
    return "; ".join(f"{one.name}: {checkpoint_fault(one)}" for one in checkpoints)


def _checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, the oldest first."""
    found = [one for one in folder.glob("[!.]*") if is_checkpoint(one)]
    return sorted(_distinct(found), key=_age)


def _distinct(folders: list[Path]) -> list[Path]:
    """Drop links to others of the folders."""
    by_place = dict[Path, Path]()
    for one in sorted(folders, key=Path.is_symlink):
        by_place.setdefault(one.resolve(), one)
    return list(by_place.values())


def _age(checkpoint: Path) -> tuple[bool, list[tuple[int, str]]]:
    """Order names by the numbers in them: Tune's last, and step_9 before step_10."""
    parts = re.findall(r"\d+|\D+", checkpoint.name)
    numbered = [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
    return _TUNE_NAME.fullmatch(checkpoint.name) is not None, numbered

"""Finds RLlib checkpoints in the folders of a run."""

from pathlib import Path

from rllib_gigpo.errors import CheckpointError

# RLlib writes this file into every checkpoint.
_MARK = "rllib_checkpoint.json"


def is_checkpoint(path: Path) -> bool:
    """Whether the folder itself is a checkpoint."""
    return (path / _MARK).is_file()


def newest_checkpoint(trial_folder: Path) -> Path | None:
    """Return the last of Tune's ``checkpoint_000012`` folders in a trial; None if there is none."""
    return max(filter(is_checkpoint, trial_folder.glob("checkpoint_*")), default=None)


def find_checkpoint(path: Path) -> Path:
    """Return ``path`` if it is a checkpoint, else the newest one of the trial that it holds.

    Raises:
        CheckpointError: There is none, or the folder holds several trials.
    """
    if is_checkpoint(path):
        return path
    trials = {
        mark.parent.parent for depth in ("*", "*/*") for mark in path.glob(f"{depth}/{_MARK}")
    }
    if not trials:
        raise CheckpointError(f"{path}: no checkpoint here ({_MARK}), nor in the folders below")
    if len(trials) > 1:
        names = ", ".join(sorted(map(str, trials)))
        raise CheckpointError(f"{path}: holds the checkpoints of several trials; name one: {names}")
    return max(filter(is_checkpoint, trials.pop().iterdir()))

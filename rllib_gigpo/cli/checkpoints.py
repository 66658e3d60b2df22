"""Functions that find RLlib checkpoints in the folders of a run."""

from pathlib import Path

from rllib_gigpo.errors import CheckpointError

# RLlib writes this file into every checkpoint.
_MARK = "rllib_checkpoint.json"


def is_checkpoint(path: Path) -> bool:
    """Return whether the folder itself is a checkpoint."""
    return (path / _MARK).is_file()


def newest_checkpoint(trial_folder: Path) -> Path | None:
    """Return the newest ``checkpoint_000012`` folder of a Tune trial; None if there is none."""
    return max(filter(is_checkpoint, trial_folder.glob("checkpoint_*")), default=None)


def find_checkpoint(path: Path) -> Path:
    """Return ``path`` if it is a checkpoint, else the newest checkpoint of the trial in it.

    Raises:
        CheckpointError: There is no checkpoint, or the folder holds several trials.
    """
    if is_checkpoint(path):
        return path
    trials = {
        mark.parent.parent for depth in ("*", "*/*") for mark in path.glob(f"{depth}/{_MARK}")
    }
    if not trials:
        raise CheckpointError(
            f"{path}: no checkpoint here or in the folders below (no {_MARK}); "
            "pass a checkpoint or the folder of a trial"
        )
    if len(trials) > 1:
        names = ", ".join(sorted(map(str, trials)))
        raise CheckpointError(f"{path} holds checkpoints of several trials; pass one of {names}")
    return max(filter(is_checkpoint, trials.pop().iterdir()))

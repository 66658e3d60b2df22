"""Checks a checkpoint before RLlib restores from it, so that nothing is restored by half."""

from pathlib import Path
from typing import Any

import pyarrow.fs

from rllib_gigpo.checkpoints.finder import MARK, check_whole, is_checkpoint, trials_in
from rllib_gigpo.errors import CheckpointError


def check_restorable(path: Any, filesystem: pyarrow.fs.FileSystem | None = None) -> None:
    """Check that a checkpoint on a local disk is whole; others are taken as they are.

    Args:
        path: The folder, its URI, or Tune's object for it.
        filesystem: The file system of ``path``; None to read it from the URI.

    Raises:
        CheckpointError: It is not whole, or the folder is not a checkpoint.
    """
    if hasattr(path, "filesystem"):
        path, filesystem = path.path, path.filesystem
    if filesystem is None:
        filesystem, path = pyarrow.fs.FileSystem.from_uri(str(path))
    folder = Path(str(path))
    if not isinstance(filesystem, pyarrow.fs.LocalFileSystem) or not folder.is_dir():
        return  # RLlib says what is missing
    trials = trials_in(folder)
    if trials and not is_checkpoint(folder):
        raise CheckpointError(
            f"{folder} is not a checkpoint (no {MARK}), but has some in {trials[0]}; pass one of"
            " these"
        )
    check_whole(folder)

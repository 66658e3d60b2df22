"""Writes an Algorithm's checkpoint whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.fs

from rllib_gigpo.checkpoints.components import LEARNER, MODEL, missing_component
from rllib_gigpo.checkpoints.learner_failures import (
    check_answering,
    save_shards,
    take_failures,
)
from rllib_gigpo.checkpoints.manifest import is_listed, manifest_fault, write_manifest
from rllib_gigpo.checkpoints.run_description import write_description
from rllib_gigpo.checkpoints.torn_files import torn_file
from rllib_gigpo.checkpoints.written_aside import disk_state, flush, temporary_folder, written_aside
from rllib_gigpo.errors import CheckpointError


class CheckpointWriter:
    """Writes a checkpoint aside, verifies it, adds a manifest, and renames it into place.

    It checks the files and asks the Learners what failed.
    """

    def __init__(self, config: Any, learner_group: Any) -> None:
        """Write checkpoints of the Algorithm with this config and these Learners."""
        self._config = config
        self._learner_group = learner_group

    def save(
        self,
        write: Callable[[Path], Any],
        path: str | Path | None,
        filesystem: pyarrow.fs.FileSystem | None,
        *,
        is_complete: bool = True,
    ) -> str:
        """Save a checkpoint.

        Args:
            write: RLlib's own saving, to a local folder.
            path: The checkpoint's folder or its URI; None for a new temporary folder.
            filesystem: The file system of ``path``; None to read it from the URI.
            is_complete: Whether ``write`` saves all components.

        Returns:
            The path on its file system.

        Raises:
            CheckpointError: It could not be written whole. What was at ``path`` is unchanged.
        """
        if path is None:
            path = Path(tempfile.gettempdir()) / str(uuid.uuid4())
        if filesystem is None:
            filesystem, path = pyarrow.fs.FileSystem.from_uri(str(path))
        if isinstance(filesystem, pyarrow.fs.LocalFileSystem):
            self._save_locally(write, Path(path), is_complete=is_complete)
            return str(path)
        with _named_failure(path), temporary_folder("save") as temporary:
            folder = temporary / "checkpoint"
            self._save_locally(write, folder, is_complete=is_complete)
            pyarrow.fs.copy_files(str(folder), str(path), destination_filesystem=filesystem)
        return str(path)

    def _save_locally(
        self, write: Callable[[Path], Any], target: Path, *, is_complete: bool
    ) -> None:
        check_answering(self._learner_group)
        # Of an earlier checkpoint, a state in another format would be read instead of the new one.
        kept = written_aside(target, keep=lambda entry: not is_listed(entry))
        with _named_failure(target), kept as folder:
            failures = list[str]()
            try:
                write(folder)
                failures += take_failures(self._learner_group)
                if is_complete and not failures:  # one that failed is out of service
                    limit_s = self._config.settings.learners.update_timeout_s
                    save_shards(self._learner_group, folder / LEARNER, timeout_s=limit_s)
            finally:
                failures += take_failures(self._learner_group)
            fault = torn_file(folder) or (missing_component(folder) if is_complete else None)
            if fault or failures:
                raise _NotWholeError("; ".join(filter(None, [*failures, fault])))
            if is_complete:
                write_description(self._config, folder / MODEL)
            write_manifest(folder)


def copy_to_storage(save: Callable[[str], Any], storage: Any) -> Any:
    """Let Tune save a checkpoint and copy it to a trial's folder, then check the copy.

    Args:
        save: Tune's own ``save``, which takes a temporary folder.
        storage: Tune's description of the trial's folder.

    Returns:
        The answer of ``save``.

    Raises:
        CheckpointError: It could not be saved, or the copy differs from its manifest.
    """
    place = Path(storage.trial_fs_path)
    is_local = isinstance(storage.storage_filesystem, pyarrow.fs.LocalFileSystem)
    before = storage.checkpoint_fs_path
    with _named_failure(place), temporary_folder("save") as folder:
        try:
            result = save(str(folder / "checkpoint"))
            copy = Path(result.checkpoint.path)
            fault = manifest_fault(copy) if is_local else None
            if fault:
                raise _NotWholeError(f"{copy.name}: {fault}")
            if is_local:
                flush(copy)
        except Exception:
            if is_local and storage.checkpoint_fs_path != before:  # it takes space and is torn
                shutil.rmtree(storage.checkpoint_fs_path, ignore_errors=True)
            raise
    return result


class _NotWholeError(Exception):
    """A folder is not whole; the text is a clause for `_named_failure`."""


@contextmanager
def _named_failure(target: Any) -> Iterator[None]:
    """Turn an exception while saving into a CheckpointError that names place, cause and disk."""
    try:
        yield
    except CheckpointError:
        raise
    # A fence: components raise whatever their libraries do, such as SafetensorError or a RayError.
    except Exception as error:
        reason = str(error) if isinstance(error, _NotWholeError) else _kind_and_text(error)
        named = error.filename if isinstance(error, OSError) else None
        place = Path(named) if isinstance(named, str) else Path(target)
        raise CheckpointError(
            f"The checkpoint {target} could not be saved: {reason} ({disk_state(place)})."
            " Earlier checkpoints are unchanged; remove the cause (if the disk is full: free some"
            " space or choose another), and resume"
        ) from error


def _kind_and_text(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"

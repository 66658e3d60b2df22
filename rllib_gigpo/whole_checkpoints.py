"""An RLlib Algorithm whose checkpoints are whole or absent."""

from __future__ import annotations

from functools import partial
from typing import Any

from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.utils.annotations import override
from ray.rllib.utils.checkpoints import Checkpointable

from rllib_gigpo.checkpoints.checkpoint_writer import CheckpointWriter, copy_to_storage
from rllib_gigpo.checkpoints.finder import MANIFEST_ENTRY
from rllib_gigpo.checkpoints.learner_failures import learners_restored
from rllib_gigpo.checkpoints.manifest import MANIFEST
from rllib_gigpo.checkpoints.restore_check import check_restorable


class WholeCheckpoints(Algorithm):
    """Base of an Algorithm that checks what RLlib and Tune write and read."""

    @override(Algorithm)
    def get_metadata(self) -> dict[str, Any]:
        """Return RLlib's metadata, and that a whole checkpoint has a manifest."""
        return {**super().get_metadata(), MANIFEST_ENTRY: MANIFEST}

    @override(Checkpointable)
    def save_to_path(
        self, path: Any = None, *, state: Any = None, filesystem: Any = None, **kwargs: Any
    ) -> str:
        """Save a checkpoint whole or not at all: written aside, verified, then renamed.

        Raises:
            CheckpointError: It could not be written whole. What was at ``path`` is unchanged.
        """
        write = partial(super().save_to_path, state=state, **kwargs)
        writer = CheckpointWriter(self.config, self.learner_group)
        return writer.save(write, path, filesystem, is_complete=state is None)

    @override(Algorithm)
    def save(self, checkpoint_dir: str | None = None) -> Any:
        """Save for Tune, and check the copy that Tune makes in the trial's folder.

        Tune deletes the oldest checkpoint after this has succeeded.

        Raises:
            CheckpointError: There is no whole checkpoint at the end.
        """
        if checkpoint_dir is not None or not self._storage:
            return super().save(checkpoint_dir)
        return copy_to_storage(super().save, self._storage)

    @classmethod
    @override(Algorithm)
    def from_checkpoint(cls, path: Any, filesystem: Any = None, **kwargs: Any) -> Algorithm:
        """Build an Algorithm from a checkpoint. This runs code from its pickles.

        Raises:
            CheckpointError: The checkpoint is not whole, or belongs to another model.
        """
        check_restorable(path, filesystem)
        return super().from_checkpoint(path, filesystem, **kwargs)

    @override(Checkpointable)
    def restore_from_path(self, path: Any, *args: Any, **kwargs: Any) -> None:
        """Restore from a checkpoint. This runs code from its pickles.

        Raises:
            CheckpointError: The checkpoint is not whole, or belongs to another model.
        """
        if "component" not in kwargs:  # else `path` is a part of a checkpoint
            check_restorable(path, kwargs.get("filesystem"))
        with learners_restored(path, self.learner_group):
            super().restore_from_path(path, *args, **kwargs)

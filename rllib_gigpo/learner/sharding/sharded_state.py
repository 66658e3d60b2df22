"""The optimiser and the second models of sharded Learners in a checkpoint.

Each Learner writes its part with torch's distributed checkpoint. Another number of Learners can
read it, and so can Learners with the whole model.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.fs
import torch
from ray.rllib.utils.annotations import override
from ray.rllib.utils.checkpoints import Checkpointable
from torch.distributed import checkpoint
from torch.distributed.checkpoint.state_dict import (
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)

from rllib_gigpo.checkpoints.written_aside import temporary_folder
from rllib_gigpo.learner.optimization.optim import fill_moments, options_kept
from rllib_gigpo.learner.sharding.sharding import Sharding

if TYPE_CHECKING:
    from rllib_gigpo.rl_modules.causal_lm_module import CausalLMModule

_METADATA = ".metadata"  # torch's name of the file that lists the parts


class ShardedState(Checkpointable):
    """The moments by the parameters' names, and the weights of critic and process reward model."""

    def __init__(
        self, module: CausalLMModule, optimizer: torch.optim.Optimizer, *, sharding: Sharding
    ) -> None:
        """Save and restore the state of ``optimizer`` and of the second models of ``module``."""
        self._module = module
        self._optimizer = optimizer
        self._sharding = sharding

    @override(Checkpointable)
    def save_to_path(self, path: str | Path | None = None, **kwargs: Any) -> str:
        """Write this Learner's part; Learners with the whole model write none."""
        if not self._sharding.is_whole:
            checkpoint.save(self._state(), checkpoint_id=str(path))
        return str(path)

    @override(Checkpointable)
    def restore_from_path(
        self,
        path: str | Path,
        *,
        filesystem: pyarrow.fs.FileSystem | None = None,
        **kwargs: Any,
    ) -> None:
        """Read this Learner's part, if sharded Learners have written any."""
        if filesystem is None or isinstance(filesystem, pyarrow.fs.LocalFileSystem):
            self._restore(Path(path))
            return
        with temporary_folder("restore") as folder:
            pyarrow.fs.copy_files(str(path), str(folder), source_filesystem=filesystem)
            self._restore(folder)

    def _restore(self, folder: Path) -> None:
        if not (folder / _METADATA).is_file():
            return
        state = self._state()
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # that it is alone
            checkpoint.load(state, checkpoint_id=folder, no_dist=self._sharding.is_whole)
        with options_kept(self._optimizer):
            set_optimizer_state_dict(self._module, self._optimizer, state["optimizer"])

    def _state(self) -> dict[str, Any]:
        self._optimizer.zero_grad(set_to_none=True)
        fill_moments(self._optimizer)
        moments = get_optimizer_state_dict(self._module, self._optimizer)
        models = self._module.second_models.items()
        return {"optimizer": moments, **{key: model.state_dict() for key, model in models}}

    @override(Checkpointable)
    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return nothing: the files are the whole state."""
        return {}

    @override(Checkpointable)
    def set_state(self, state: dict[str, Any]) -> None:
        """Do nothing: the files are the whole state."""

    @override(Checkpointable)
    def get_ctor_args_and_kwargs(self) -> tuple[tuple, dict[str, Any]]:
        """Return the arguments that build an equal object."""
        return (self._module, self._optimizer), {"sharding": self._sharding}

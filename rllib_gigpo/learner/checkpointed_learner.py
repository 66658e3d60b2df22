"""What a Learner saves and restores.

RLlib (Ray 2.60) asks only Learner 0 for a checkpoint. What is spread over the Learners is saved in
a second step, by all of them: `save_shards`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from ray.rllib.core import COMPONENT_OPTIMIZER, COMPONENT_RL_MODULE, DEFAULT_MODULE_ID
from ray.rllib.core.learner.learner import Learner
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.utils.annotations import override

from rllib_gigpo.errors import CheckpointError
from rllib_gigpo.learner.checkpoint_model import CheckpointModel
from rllib_gigpo.learner.optimization.optim import options_kept, to_cpu
from rllib_gigpo.learner.sharding.sharded_state import ShardedState
from rllib_gigpo.rl_modules import causal_lm_module as lm

if TYPE_CHECKING:
    from rllib_gigpo.config.sections import Settings
    from rllib_gigpo.learner.kl.kl_placement import KLTerm
    from rllib_gigpo.learner.sharding.sharding import Sharding

# Keys of the state.
ITERATION = "iteration"  # updates done so far
KL_COEFF = "kl_coeff"
SHARDED_STATE = "sharded_state"  # a component: optimiser and second models


class CheckpointedLearner(TorchLearner):
    """Base of the Learner: its state, and its files in a checkpoint."""

    checkpoint_failure: str | None = None  # of the last save or restore, see learner_failures.py
    sharding: Sharding
    _settings: Settings
    _model_folder: str
    _iteration: int
    _kl: KLTerm

    @override(Learner)
    def save_to_path(self, *args: Any, **kwargs: Any) -> str:
        """Save, and keep a failure's text."""
        with self._failure_kept():
            return super().save_to_path(*args, **kwargs)

    def save_shards(self, folder: str) -> None:
        """Write what is spread over the Learners; call it on all of them.

        Args:
            folder: The Learner's folder in the checkpoint, which exists.

        Raises:
            CheckpointError: The folder is not there, so the Learners share no disk.
        """
        if self.sharding.is_whole:
            return
        with self._failure_kept():
            is_there = Path(folder).is_dir()
            if not self.sharding.all_agree(is_there, self._torch_device):
                raise CheckpointError(
                    f"{folder} is not on a disk that all Learners share; learners(sharding='fsdp2')"
                    " on several machines needs an output folder on one"
                )
            for name, component in self.get_checkpointable_components():
                with self.sharding.together():
                    component.save_to_path(Path(folder) / name)

    @override(Learner)
    def restore_from_path(self, *args: Any, **kwargs: Any) -> None:
        """Restore, and keep a failure's text."""
        with self._failure_kept():
            super().restore_from_path(*args, **kwargs)

    @contextlib.contextmanager
    def _failure_kept(self) -> Iterator[None]:
        self.checkpoint_failure = None
        try:
            yield
        except Exception as error:
            self.checkpoint_failure = f"{type(error).__name__}: {error}"
            raise

    @override(Learner)
    def get_checkpointable_components(self) -> list[tuple[str, Any]]:
        """Return the model, a plain Hugging Face folder, and the files of sharded Learners."""
        settings = self._settings.model
        folder = CheckpointModel(
            self._causal_lm.model, self._model_folder, lora=settings.lora, sharding=self.sharding
        )
        state = ShardedState(self._causal_lm, self._optimizer, sharding=self.sharding)
        return [(COMPONENT_RL_MODULE, folder), (SHARDED_STATE, state)]

    @override(Learner)
    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return RLlib's state plus iteration (for the learning rate), KL weight, second models.

        Of sharded Learners it lacks all models and the optimiser.
        """
        own = {ITERATION: self._iteration, KL_COEFF: self._kl.get_state()}
        if not self.sharding.is_whole:
            return (
                super().get_state(not_components=[COMPONENT_RL_MODULE, COMPONENT_OPTIMIZER]) | own
            )
        state = super().get_state(*args, **kwargs) | own
        state[SHARDED_STATE] = {}  # RLlib asks for the state of each component
        for key, model in self._causal_lm.second_models.items():
            state[key] = to_cpu(model.state_dict())  # the Hugging Face folder holds only the policy
        return state

    @override(Learner)
    def set_state(self, state: dict[str, Any]) -> None:
        """Restore a state, even an older one."""
        if COMPONENT_RL_MODULE in state:
            # RLlib ignores weights that are not newer than the current ones (Ray 2.60).
            self._weights_seq_no = 0
        super().set_state(state)
        self._iteration = state.get(ITERATION, self._iteration)
        for key, model in self._causal_lm.second_models.items():
            if key in state:
                self.sharding.load(model, state[key])
        self._kl.set_state(state.get(KL_COEFF))

    @override(TorchLearner)
    def _get_optimizer_state(self) -> dict[str, Any]:
        """Return CPU tensors, not RLlib's NumPy arrays, which have no bfloat16."""
        return {"state_dict": to_cpu(self._optimizer.state_dict())}

    @override(TorchLearner)
    def _set_optimizer_state(self, state: dict[str, Any]) -> None:
        """Load moments and step counts; options come from the config, which may have changed."""
        groups = self._optimizer.param_groups
        parameters = [parameter for group in groups for parameter in group["params"]]
        moments = {
            index: {
                name: self.sharding.share(value, parameters[index])
                if isinstance(value, torch.Tensor)
                else value
                for name, value in values.items()
            }
            for index, values in state["state_dict"]["state"].items()
        }
        with options_kept(self._optimizer):
            self._optimizer.load_state_dict({**state["state_dict"], "state": moments})

    # ------------------------------------------------------------------ short names

    @property
    def _causal_lm(self) -> lm.CausalLMModule:
        return self.module[DEFAULT_MODULE_ID].unwrapped()

    @property
    def _optimizer(self) -> torch.optim.Optimizer:
        return self.get_optimizer(DEFAULT_MODULE_ID)

    @property
    def _torch_device(self) -> torch.device:
        return torch.device(self._device)

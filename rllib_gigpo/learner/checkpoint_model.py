"""The Learner's model in a checkpoint: a plain Hugging Face folder with weights and tokenizer.

`transformers` and ``vllm serve`` open the folder directly; it holds nothing of RLlib. With LoRA the
weights are merged, and a subfolder holds the adapter alone, in peft's format.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow.fs
import torch
from ray.rllib.core import COMPONENT_LEARNER, COMPONENT_RL_MODULE
from ray.rllib.utils.annotations import override
from ray.rllib.utils.checkpoints import Checkpointable
from transformers import PreTrainedModel

from rllib_gigpo.errors import CheckpointError
from rllib_gigpo.learner.sharding.sharding import Sharding
from rllib_gigpo.models.causal_lm import open_causal_lm, progress_bars_if_slow
from rllib_gigpo.models.context import known_warnings_dropped
from rllib_gigpo.models.lora import adapter_weights, load_adapter, save_adapter
from rllib_gigpo.models.lora_settings import LoraSettings
from rllib_gigpo.models.tokenizer import copy_processor, open_tokenizer, save_tokenizer

_LEARNER_GROUP = "learner_group"
_ADAPTER_FOLDER = "adapter"


def model_folder(checkpoint: str | Path) -> Path:
    """Return the Hugging Face folder inside an Algorithm's checkpoint.

    Raises:
        CheckpointError: The checkpoint holds no model.
    """
    folder = Path(checkpoint) / _LEARNER_GROUP / COMPONENT_LEARNER / COMPONENT_RL_MODULE
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            f"{checkpoint} holds no model ({folder} has no config.json). Give the folder that"
            " `rllib train` printed as its checkpoint, or that Algorithm.save_to_path() returned."
        )
    return folder


class CheckpointModel(Checkpointable):
    """A Learner's model, saved and restored in the Hugging Face format."""

    def __init__(
        self,
        model: PreTrainedModel,
        model_path: str,
        *,
        sharding: Sharding,
        lora: LoraSettings | None = None,
    ) -> None:
        """Save and restore ``model``, with the tokenizer of ``model_path``."""
        self._model = model
        self._model_path = model_path
        self._sharding = sharding
        self._lora = lora

    @override(Checkpointable)
    def save_to_path(
        self,
        path: str | Path | None = None,
        *,
        state: Any = None,
        filesystem: pyarrow.fs.FileSystem | None = None,
        use_msgpack: bool = False,
    ) -> str:
        """Write the folder to any pyarrow file system."""
        if filesystem is None or isinstance(filesystem, pyarrow.fs.LocalFileSystem):
            self._save_folder(Path(str(path)))
            return str(path)
        with tempfile.TemporaryDirectory() as temporary:
            self._save_folder(Path(temporary))
            pyarrow.fs.copy_files(temporary, str(path), destination_filesystem=filesystem)
        return str(path)

    def _save_folder(self, folder: Path) -> None:
        """Write the folder on Learner 0; sharded Learners gather their weights for it."""
        state = self._sharding.state(self._model)
        adapter = None if self._lora is None else self._adapter_state()
        if state is None:
            return
        with progress_bars_if_slow(), known_warnings_dropped():
            self._model.save_pretrained(folder, state_dict=state)
            save_tokenizer(open_tokenizer(self._model_path), folder)
        copy_processor(self._model_path, folder)
        if self._lora is not None and adapter is not None:
            save_adapter(self._model, self._lora, folder / _ADAPTER_FOLDER, adapter)

    def _adapter_state(self) -> dict[str, torch.Tensor]:
        return dict(self._sharding.export(adapter_weights(self._model), self._model.dtype))

    @override(Checkpointable)
    def restore_from_path(
        self,
        path: str | Path,
        *,
        component: str | None = None,
        filesystem: pyarrow.fs.FileSystem | None = None,
        **kwargs: Any,
    ) -> None:
        """Load the folder's weights into the model.

        Raises:
            CheckpointError: The weights belong to another model.
        """
        with self._sharding.together(), tempfile.TemporaryDirectory() as temporary:
            folder = Path(path)
            if filesystem is not None and not isinstance(filesystem, pyarrow.fs.LocalFileSystem):
                folder = Path(temporary)
                pyarrow.fs.copy_files(str(path), temporary, source_filesystem=filesystem)
            self._restore_folder(folder)

    def _restore_folder(self, folder: Path) -> None:
        if self._lora is not None:
            self._restore_adapter(folder)
            return
        with progress_bars_if_slow():
            saved = open_causal_lm(folder, dtype=self._model.dtype)
        try:
            self._sharding.load(self._model, saved.state_dict())
        except RuntimeError as error:
            raise CheckpointError(
                f"The checkpoint's model ({_describe(saved)}) differs from the config's"
                f" ({_describe(self._model)}, {self._model_path}). Restore with the config that"
                f" made the checkpoint. First difference: {str(error).splitlines()[1].strip()}"
            ) from error

    def _restore_adapter(self, folder: Path) -> None:
        """Load the adapter; the base is the start model and does not change.

        If the base was itself read from this folder, as in `rllib evaluate`, it is already merged,
        and the adapters stay at 0.
        """
        if Path(self._model_path).resolve() != folder.resolve():
            load_adapter(self._model, folder / _ADAPTER_FOLDER, share=self._sharding.share)

    @override(Checkpointable)
    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return nothing: the folder is the whole state."""
        return {}

    @override(Checkpointable)
    def set_state(self, state: dict[str, Any]) -> None:
        """Do nothing: the folder is the whole state."""

    @override(Checkpointable)
    def get_ctor_args_and_kwargs(self) -> tuple[tuple, dict[str, Any]]:
        """Return the arguments that build an equal object."""
        return (self._model, self._model_path), {"lora": self._lora, "sharding": self._sharding}


def _describe(model: PreTrainedModel) -> str:
    config = model.config.get_text_config()
    return (
        f"{model.config.model_type}, {model.num_parameters() / 1e6:.1f}M parameters, hidden size"
        f" {config.hidden_size}, {config.num_hidden_layers} layers, vocabulary {config.vocab_size}"
    )

"""Opens the causal language model that the Learner trains, from local files only."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.utils import logging as transformers_logging

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.context import existing_model_folder, known_warnings_dropped

_SLOW_BYTES = 1e9  # of weights; less is read and written within a second or two


def load_causal_lm(
    model_path: str | Path,
    *,
    dtype: str | torch.dtype = "float32",
    attn_implementation: str = "sdpa",
    gradient_checkpointing: bool = False,
) -> PreTrainedModel:
    """Open a Hugging Face folder as a model on the CPU, in training mode.

    Args:
        model_path: The folder with the model's files.
        dtype: The type of the weights, such as ``"float32"`` or ``torch.bfloat16``.
        attn_implementation: transformers' name of the attention: ``"sdpa"``, ``"eager"`` or
            ``"flash_attention_2"``.
        gradient_checkpointing: Whether to recompute activations in the backward pass: less memory,
            about a third more time.

    Raises:
        ConfigError: The folder or dtype does not exist, or transformers cannot open the model.
    """
    model = open_causal_lm(
        existing_model_folder(model_path),
        dtype=resolve_dtype(dtype),
        attn_implementation=attn_implementation,
    )
    if gradient_checkpointing:
        # The reentrant variant needs inputs with gradients, but token ids have none.
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return model.train()


def open_causal_lm(folder: str | Path, **kwargs: Any) -> PreTrainedModel:
    """Open a folder's model with all its weights; no code of the folder runs.

    Args:
        folder: The model folder.
        **kwargs: transformers' options.

    Raises:
        ConfigError: transformers cannot open it, or its files lack weights, which transformers
            would draw at random.
    """
    try:
        num_bytes = sum(file.stat().st_size for file in Path(folder).glob("*.safetensors"))
        with progress_bars_if_slow(num_bytes):
            model, found = _class_of_folder(folder).from_pretrained(
                str(folder),
                local_files_only=True,
                trust_remote_code=False,  # otherwise transformers asks on the terminal
                output_loading_info=True,
                **kwargs,
            )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # a fence: a torn file raises whatever its reader raises
        raise ConfigError(
            f"transformers cannot open {str(folder)!r} as a causal language model"
            f" ({', '.join(f'{name}={value!r}' for name, value in kwargs.items())}):"
            f" {type(error).__name__}: {error}."
        ) from error
    missing = sorted(found["missing_keys"])
    if missing:
        raise ConfigError(
            f"The files in {str(folder)!r} lack {len(missing)} of the model's weights"
            f" ({missing[:3]} ...), which would be random numbers: copy the model again, or check"
            " the names in its index and what config.json says (tied embeddings, number of layers)."
        )
    return model


def trunk_of(model: Any) -> Any:
    """Return the part of a causal LM that ends with the last hidden states.

    transformers' ``base_model`` is the whole model if its prefix names no part, as in Llama 4.

    Args:
        model: A Hugging Face causal LM.
    """
    parts = (model.base_model, model.get_decoder(), getattr(model, "model", model))
    return next((part for part in parts if part is not model), model)


def layers_of(unit: nn.Module) -> list[nn.Module]:
    """Return the outermost layers that a unit's models name as those that must not be split.

    Args:
        unit: A module with one or more Hugging Face models.
    """
    models = [one for one in unit.modules() if isinstance(one, PreTrainedModel)]
    names = {name for model in models for name in model._no_split_modules or ()}
    layers: list[nn.Module] = []
    inside: set[nn.Module] = set()
    for module in unit.modules():
        if type(module).__name__ in names and module not in inside:
            layers.append(module)
            inside.update(module.modules())
    return layers


def meta_causal_lm(config: PreTrainedConfig) -> PreTrainedModel:
    """Build a model's modules without memory for its weights: names and shapes only.

    Args:
        config: The model's configuration, see ``load_config``.
    """
    with torch.device("meta"):
        return new_causal_lm(config)


def new_causal_lm(config: PreTrainedConfig) -> PreTrainedModel:
    """Build a model with random weights.

    Args:
        config: The model's configuration, see ``load_config``.
    """
    return _class_for(config).from_config(config)


def _class_of_folder(folder: str | Path) -> Any:
    """Return transformers' class that opens a folder; one without a configuration holds a GGUF."""
    has_config = (Path(folder) / "config.json").is_file()
    return _class_for(load_config(folder)) if has_config else AutoModelForCausalLM


def _class_for(config: PreTrainedConfig) -> Any:
    """Return transformers' class that opens a model: of text and images if there is no other."""
    is_text = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING
    is_image_text = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    return AutoModelForImageTextToText if is_image_text and not is_text else AutoModelForCausalLM


def load_config(model_path: str | Path) -> PreTrainedConfig:
    """Read the configuration of a Hugging Face folder.

    Args:
        model_path: The folder with the model's files.

    Raises:
        ConfigError: The folder does not exist, or transformers does not know the architecture.
    """
    folder = existing_model_folder(model_path)
    try:
        with known_warnings_dropped():
            return AutoConfig.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # a fence: a torn file raises whatever its reader raises
        raise ConfigError(
            f"transformers cannot read the configuration in {str(folder)!r}: {error}."
        ) from error


def resolve_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """Return the torch dtype with a name such as ``"bfloat16"``.

    Args:
        dtype: A name or a dtype.

    Raises:
        ConfigError: torch has no floating-point dtype of this name.
    """
    resolved = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(resolved, torch.dtype) or not resolved.is_floating_point:
        raise ConfigError(f"dtype={dtype!r} is unknown; use 'float32', 'bfloat16' or 'float16'.")
    return resolved


@contextmanager
def progress_bars_if_slow(num_bytes: float = 0.0) -> Iterator[None]:
    """Hide transformers' bars in the block, unless it reads or writes a gigabyte or more."""
    hides = num_bytes < _SLOW_BYTES and transformers_logging.is_progress_bar_enabled()
    if hides:
        transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if hides:
            transformers_logging.enable_progress_bar()

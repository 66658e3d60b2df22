"""Opens the causal language model that the Learner trains, from local files only."""

from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.context import existing_model_folder


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
    folder = existing_model_folder(model_path)
    torch_dtype = resolve_dtype(dtype)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=torch_dtype,
            attn_implementation=attn_implementation,
            local_files_only=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, ImportError, RuntimeError) as error:  # RuntimeError: shapes
        raise ConfigError(
            f"transformers cannot open {str(folder)!r} as a causal language model with "
            f"attn_implementation={attn_implementation!r}: {error}."
        ) from error
    if gradient_checkpointing:
        # The reentrant variant needs inputs with gradients, but token ids have none.
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return model.train()


def meta_causal_lm(config: PreTrainedConfig) -> PreTrainedModel:
    """Build a model's modules without memory for its weights: names and shapes only.

    Args:
        config: The model's configuration, see ``load_config``.
    """
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def load_config(model_path: str | Path) -> PreTrainedConfig:
    """Read the configuration of a Hugging Face folder.

    Args:
        model_path: The folder with the model's files.

    Raises:
        ConfigError: The folder does not exist, or transformers does not know the architecture.
    """
    folder = existing_model_folder(model_path)
    try:
        return AutoConfig.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
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

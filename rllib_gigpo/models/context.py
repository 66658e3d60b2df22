"""Checks on a model folder and its context length that read only JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rllib_gigpo.errors import ConfigError

# The names that vLLM 0.32 reads, too; the smallest counts.
_LENGTHS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "max_sequence_length",
    "max_seq_length",
    "seq_len",
)
_ALREADY_SCALED = ("default", "llama3", "longrope", "su", "proportional")


def existing_model_folder(model_path: str | Path | None) -> Path:
    """Return ``model_path`` as a path, after checking that it is a model folder.

    Raises:
        ConfigError: The folder does not exist or has no ``config.json``.
    """
    if model_path is None:
        raise ConfigError(
            "model_path is not set: call .llm(model_path=<Hugging Face folder>), or make a small"
            " model with `rllib warm-start` or rllib_gigpo.warm_start"
        )
    folder = Path(model_path).expanduser()
    if not (folder / "config.json").is_file():
        found = "is a folder without config.json" if folder.is_dir() else "is not a folder"
        raise ConfigError(
            f"model_path={str(model_path)!r} {found}. Models are never downloaded: give the path of"
            " a Hugging Face folder on this machine (config.json, safetensors, tokenizer files), or"
            " make a small model with `rllib warm-start`"
        )
    return folder


def read_config(model_path: str | Path | None) -> dict[str, Any]:
    """Read the configuration of a model folder.

    Raises:
        ConfigError: The folder does not exist, or its configuration is not JSON.
    """
    file = existing_model_folder(model_path) / "config.json"
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read as JSON: {error}") from error


def context_length(config: Mapping[str, Any]) -> int | None:
    """Return the context length of a model: the tokens of prompt and response together.

    This is the only rule for it: the settings and the engines' start use it. RoPE scaling counts as
    in vLLM: linear and dynamic scaling multiply the length. YaRN's is the original length times its
    factor, if the configuration does not state a longer one.

    Args:
        config: The model's configuration; for a model of text and images, the text part counts.

    Returns:
        The length, or None if the configuration does not give it.
    """
    text = config.get("text_config") or config
    lengths = [text[name] for name in _LENGTHS if isinstance(text.get(name), int)]
    stated = text.get("model_max_length") or min(lengths, default=None)  # Cohere's name goes first
    if stated is None or "gemma3" in str(text.get("model_type")):  # Gemma 3 states the product
        return stated
    scaled = [_scaled_length(stated, rope) for rope in _rope_parameters(text)]
    return None if None in scaled else max((one for one in scaled if one), default=stated)


def _rope_parameters(text: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the parameters of RoPE: one set, or one for each type of layer."""
    found = text.get("rope_scaling") or text.get("rope_parameters") or {}
    by_layer = [one for one in found.values() if isinstance(one, Mapping)]
    return by_layer or [found]


def _scaled_length(stated: int, rope: Mapping[str, Any]) -> int | None:
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind in _ALREADY_SCALED:
        return stated
    factor = rope.get("factor")
    if not isinstance(factor, int | float):
        return None
    if "yarn" in kind:
        return max(stated, int((rope.get("original_max_position_embeddings") or stated) * factor))
    return int(stated * factor)


def check_context_length(
    config: Mapping[str, Any], *, max_prompt_tokens: int, max_response_tokens: int
) -> None:
    """Check that the longest prompt and the longest response fit a model's context together.

    Args:
        config: The model's configuration.
        max_prompt_tokens: Length of the longest prompt.
        max_response_tokens: Length of the longest response.

    Raises:
        ConfigError: They do not fit.
    """
    length = context_length(config)
    wanted = max_prompt_tokens + max_response_tokens
    if length is not None and wanted > length:
        raise ConfigError(
            f"{max_prompt_tokens=} and {max_response_tokens=} need a context of {wanted} tokens,"
            f" but the model has {length}; lower them with .llm(...) or --set, or use a model with"
            " more"
        )


def vision_part(model_path: Any, engine: str) -> Iterator[str]:
    """Yield what is wrong if vLLM cannot open a model of text and images."""
    try:
        config = read_config(model_path)
    except ConfigError:
        return  # `check_context_length` reports it
    if engine == "vllm" and "vision_config" in config and find_spec("torchvision") is None:
        yield (
            f"the {config.get('model_type')} model in {str(model_path)!r} has a vision part, whose"
            " code in vLLM needs torchvision, which is not installed; install the build for your"
            " torch, set engine='transformers', or save the text part alone"
        )

"""A model folder and the longest sequence that its model was built for; read from JSON alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rllib_gigpo.errors import ConfigError

_LENGTHS = ("max_position_embeddings", "n_positions", "max_seq_len")


def existing_model_folder(model_path: str | Path | None) -> Path:
    """Return ``model_path`` as a path, having checked that it is a model's folder.

    Raises:
        ConfigError: There is no such folder, or no ``config.json`` in it.
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
            f"model_path={str(model_path)!r} {found}: models are never downloaded; give the path of"
            " a Hugging Face folder on this machine (config.json, safetensors, tokenizer files), or"
            " make a small one with `rllib warm-start`"
        )
    return folder


def read_config(model_path: str | Path | None) -> dict[str, Any]:
    """Read the configuration of a model's folder.

    Raises:
        ConfigError: There is no such folder, or its configuration is not JSON.
    """
    file = existing_model_folder(model_path) / "config.json"
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read as JSON: {error}") from error


def context_length(config: Mapping[str, Any]) -> int | None:
    """Return how many tokens, prompt and response together, a model takes.

    Args:
        config: Its configuration; of a model of text and images, the text part counts.

    Returns:
        The number; None where the configuration does not say, or stretches its positions.
    """
    text = config.get("text_config") or config
    rope = text.get("rope_parameters") or text.get("rope_scaling") or {}
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        return None
    return next((text[name] for name in _LENGTHS if isinstance(text.get(name), int)), None)


def check_context_length(
    config: Mapping[str, Any], *, max_prompt_tokens: int, max_response_tokens: int
) -> None:
    """Check that a model takes the longest prompt together with the longest response.

    Args:
        config: The model's configuration.
        max_prompt_tokens: Bound of the prompts, in tokens.
        max_response_tokens: Bound of the responses, in tokens.

    Raises:
        ConfigError: It does not.
    """
    length = context_length(config)
    wanted = max_prompt_tokens + max_response_tokens
    if length is not None and wanted > length:
        raise ConfigError(
            f"{max_prompt_tokens=} and {max_response_tokens=} need a context of {wanted} tokens,"
            f" but the model's has {length}; lower them with .llm(...), or use a model with more"
        )

"""Checks on a model folder and its context length that read only JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
# Models whose images this package reads, by model_type, and what vLLM's code for them imports.
VISION_TYPES = ("idefics3", "smolvlm", "qwen2_vl", "qwen2_5_vl", "qwen3_vl")
_NEEDED_BY_VLLM = {"idefics3": (), "smolvlm": ("torchvision", "num2words")}
_KNOWN_WARNINGS = (  # logger, and a part of the message
    ("transformers.configuration_utils", "between 0 and 31999), got 128002"),
    ("transformers.utils.import_utils", "Install torchvision to use the default backend"),
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


@contextmanager
def known_warnings_dropped() -> Iterator[None]:
    """Drop two warnings of transformers (5.19) about models of text and images.

    It compares each configuration with the default one of its class, and that of Idefics3 does not
    agree with itself. And it says that Pillow resizes images if there is no torchvision.
    """
    loggers = [(logging.getLogger(name), _Without(text)) for name, text in _KNOWN_WARNINGS]
    for logger, known in loggers:
        logger.addFilter(known)
    try:
        yield
    finally:
        for logger, known in loggers:
            logger.removeFilter(known)


class _Without(logging.Filter):
    """Drops the messages that contain a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def filter(self, record: logging.LogRecord) -> bool:
        return self._text not in record.getMessage()


def reads_images(model_path: str | Path | None) -> bool:
    """Return whether the model of a folder reads images here; it may have a vision part otherwise.

    Raises:
        ConfigError: See `read_config`.
    """
    return read_config(model_path).get("model_type") in VISION_TYPES


def vision_part(model_path: Any, engine: str, lora: Any, images: Any) -> Iterator[str]:
    """Yield what is wrong with a model of text and images: missing files, or no torchvision."""
    try:
        config = read_config(model_path)
    except ConfigError:
        return  # `check_context_length` reports it
    kind, folder = config.get("model_type"), Path(model_path).expanduser()
    if kind in VISION_TYPES and not _has_image_processor(folder):
        yield (
            f"the {kind} model in {str(model_path)!r} has no preprocessor_config.json, which says"
            " how images are resized; copy it, and processor_config.json, from the original model"
        )
    if kind not in VISION_TYPES and images.freeze_tower:
        yield (
            f"images: freeze_tower has no effect, because the model in {str(model_path)!r} reads no"
            " images here"
        )
    if kind in VISION_TYPES and lora is not None and lora.is_hot and not images.freeze_tower:
        yield (
            "lora: sync='adapter' leaves the image tower out, because vLLM adds adapters to the"
            " language model only; set images={'freeze_tower': True}, or sync='merged'"
        )
    needed = _NEEDED_BY_VLLM.get(str(kind), ("torchvision",)) if "vision_config" in config else ()
    missing = [name for name in needed if find_spec(name) is None]
    if engine == "vllm" and missing:
        yield (
            f"the {kind} model in {str(model_path)!r} has a vision part, whose code in vLLM needs"
            f" {' and '.join(missing)}; install it: pip install"
            ' "rllib-gigpo[vlm]", or on a CPU make setup EXTRAS=dev,vlm (docs/images.md); or set'
            " engine='transformers'"
        )


def _has_image_processor(folder: Path) -> bool:
    """Return whether a folder says how images are resized: in its own file, or in another."""
    if (folder / "preprocessor_config.json").is_file():
        return True
    try:
        settings = json.loads((folder / "processor_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return "image_processor" in settings

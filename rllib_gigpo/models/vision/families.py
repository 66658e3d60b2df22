"""Finds the family of a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoImageProcessor

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.context import existing_model_folder, known_warnings_dropped, read_config
from rllib_gigpo.models.tokenizer import open_tokenizer
from rllib_gigpo.models.vision.idefics3_family import Idefics3Family
from rllib_gigpo.models.vision.qwen_vl_family import Qwen3VLFamily, QwenVLFamily
from rllib_gigpo.models.vision.vision_family import VisionFamily

FAMILIES: dict[str, type[VisionFamily]] = {
    "idefics3": Idefics3Family,
    "smolvlm": Idefics3Family,
    "qwen2_vl": QwenVLFamily,
    "qwen2_5_vl": QwenVLFamily,
    "qwen3_vl": Qwen3VLFamily,
}  # by model_type


def vision_family(model_path: str | Path | None) -> VisionFamily | None:
    """Return how the model of a folder reads images; None if it reads text only.

    Args:
        model_path: The folder with the model's files.

    Raises:
        ConfigError: The folder does not exist, or lacks the files of its image processor.
    """
    folder = existing_model_folder(model_path)
    config = read_config(folder)
    kind = FAMILIES.get(str(config.get("model_type")))
    if kind is None:
        return None
    with known_warnings_dropped():
        return kind(_processor(folder), open_tokenizer(folder), config)


def _processor(folder: Path) -> Any:
    try:
        return AutoImageProcessor.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False, backend="pil"
        )
    except Exception as error:  # a fence: a torn file raises whatever its reader raises
        raise ConfigError(
            f"The image processor in {str(folder)!r} cannot be opened ({type(error).__name__}:"
            f" {error}); copy preprocessor_config.json and processor_config.json from the model."
        ) from error

"""Settings of the language model and the size of its context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import PositiveInt

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.context import check_context_length, read_config, vision_part
from rllib_gigpo.models.lora_settings import LoraSettings
from rllib_gigpo.models.vision.image_settings import ImageSettings
from rllib_gigpo.options.section import PathText, Section, setting


class ModelSection(Section):
    """Settings of `GiGPOConfig.llm`."""

    model_path: PathText | None = setting(
        None, "Hugging Face folder with a chat template; `rllib warm-start` makes small models."
    )
    dtype: Literal["float32", "bfloat16"] = setting(
        "float32", "Dtype of the Learner's weights; bfloat16 rounds small updates away."
    )
    autocast_dtype: Literal["auto", "bfloat16"] | None = setting(None, "Of products; None: dtype.")
    attn_implementation: str = setting("sdpa", "Attention kernel, by its Hugging Face name.")
    gradient_checkpointing: bool = setting(False, "Saves memory, but takes a third more time.")
    lora: LoraSettings | None = setting(None, "Train LoRA adapters; None trains all weights.")
    chat_template_kwargs: Mapping[str, Any] = setting({}, "Arguments of the chat template.")
    system_prompt: str | None = setting(None, "System message; None for the chat template's.")
    max_prompt_tokens: PositiveInt = setting(2048, "Longer ones lose history, then observation.")
    images: ImageSettings = setting({}, "For models of text and images: limit and training.")
    max_response_tokens: PositiveInt = setting(512, "Longer answers are cut off.")


def context(model_path: Any, max_prompt_tokens: int, max_response_tokens: int) -> Iterator[str]:
    """Check that the model exists and that its context holds a prompt and a response."""
    try:
        check_context_length(
            read_config(model_path),
            max_prompt_tokens=max_prompt_tokens,
            max_response_tokens=max_response_tokens,
        )
    except ConfigError as error:
        yield str(error)


CHECKS = (context, vision_part)

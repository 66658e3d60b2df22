"""A model of text and images for two CPU cores: an Idefics3 with a small vision transformer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import (
    GenerationConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.context import known_warnings_dropped

IMAGE_TOKEN = "<image>"
_FRAME_TOKENS = ["<fake_token_around_image>", IMAGE_TOKEN, "<global-img>", "<end_of_utterance>"]
# ChatML, with the image token in place of each image.
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{{ '<image>' if part['type'] == 'image' else part['text'] }}{% endfor %}{% endif %}"
    "{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def add_image_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    """Add the tokens of images to a tokenizer, and a chat template that writes them."""
    tokenizer.add_tokens([AddedToken(token, special=True) for token in _FRAME_TOKENS])
    tokenizer.chat_template = CHAT_TEMPLATE


def build_vision_model(
    tokenizer: PreTrainedTokenizerFast,
    *,
    image_size: int = 80,
    patch_size: int = 16,
    hidden_size: int = 96,
    num_layers: int = 2,
    num_heads: int = 3,
    max_position_embeddings: int = 1024,
    seed: int = 0,
) -> Idefics3ForConditionalGeneration:
    """Build an untrained float32 Idefics3 for ``tokenizer``; the global RNG does not change.

    Args:
        tokenizer: The tokenizer, after `add_image_tokens`.
        image_size: Side of the square to which images are resized, in pixels.
        patch_size: Side of a patch, which is one token; it must divide ``image_size``.
        hidden_size: Width of both parts, a multiple of ``num_heads``.
        num_layers: Number of blocks of both parts.
        num_heads: Number of attention heads of both parts.
        max_position_embeddings: Longest sequence, prompt and response together, in tokens.
        seed: The seed of the initial weights.

    Raises:
        ConfigError: ``patch_size`` does not divide ``image_size``.
    """
    if image_size % patch_size:
        raise ConfigError(
            f"image_size={image_size} is not a multiple of patch_size={patch_size}; try"
            f" image_size={patch_size * max(1, round(image_size / patch_size))}."
        )
    config = _config(
        tokenizer,
        vision={"image_size": image_size, "patch_size": patch_size},
        text={"max_position_embeddings": max_position_embeddings},
        both={
            "hidden_size": hidden_size,
            "num_hidden_layers": num_layers,
            "num_attention_heads": num_heads,
            # As in `build_model`, so that attention is not flat for hundreds of steps.
            "initializer_range": hidden_size**-0.5,
        },
    )
    with torch.random.fork_rng(devices=[]), known_warnings_dropped():
        torch.manual_seed(seed)
        model = Idefics3ForConditionalGeneration(config).float()
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    return model


def _config(
    tokenizer: PreTrainedTokenizerFast,
    *,
    vision: dict[str, int],
    text: dict[str, int],
    both: dict[str, Any],
) -> Idefics3Config:
    width = both["hidden_size"]
    language_model = LlamaConfig(
        **both,
        **text,
        vocab_size=len(tokenizer),
        intermediate_size=3 * width,
        num_key_value_heads=both["num_attention_heads"],
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Idefics3Config(
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        pad_token_id=tokenizer.pad_token_id,
        scale_factor=1,
        tie_word_embeddings=True,
        vision_config={**both, **vision, "intermediate_size": 2 * width},
        text_config=language_model,
    )


def save_processor(folder: Path, config: Idefics3Config) -> None:
    """Write the configuration and the files of the image processor for `build_vision_model`.

    Args:
        folder: The model folder.
        config: The model's configuration.
    """
    with known_warnings_dropped():
        config.save_pretrained(str(folder))
    vision = config.vision_config
    side = {"longest_edge": vision.image_size}
    Idefics3ImageProcessorPil(
        do_image_splitting=False, size=side, max_image_size=side
    ).save_pretrained(str(folder))
    tokens = (vision.image_size // vision.patch_size // config.scale_factor) ** 2
    text = json.dumps({"processor_class": "Idefics3Processor", "image_seq_len": tokens}, indent=2)
    (folder / "processor_config.json").write_text(text + "\n", encoding="utf-8")

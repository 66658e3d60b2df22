"""Tiny models of text and images with random weights, and pictures for them."""

import numpy as np
import torch
from tokenizers import AddedToken
from transformers import (
    GenerationConfig,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessorPil,
)

from rllib_gigpo.media.image import Image, PlacedImage
from rllib_gigpo.models.context import known_warnings_dropped
from rllib_gigpo.models.tiny_model import build_tokenizer
from rllib_gigpo.models.tokenizer import save_tokenizer
from rllib_gigpo.models.vision.tiny_vision_model import (
    add_image_tokens,
    build_vision_model,
    save_processor,
)

SIDE = 48  # of the pictures, in pixels; Idefics3 reads them as 3x3 patches
TEXTS = ["go left", "go right", "user text"] * 50
_QWEN_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
QWEN_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


_TOWER = {"depth": 2, "num_heads": 2, "patch_size": 14, "initializer_range": 0.1}
_WIDTHS = {"hidden_size": 64, "intermediate_size": 128, "out_hidden_size": 128}
_QWEN = {
    "qwen2_vl": (
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        {"embed_dim": 64, "hidden_size": 128, "mlp_ratio": 2},
    ),
    "qwen2_5_vl": (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        _WIDTHS | {"window_size": 56, "fullatt_block_indexes": [1]},
    ),
    "qwen3_vl": (
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        _WIDTHS | {"deepstack_visual_indexes": [0, 1], "num_position_embeddings": 64},
    ),
}


def save_idefics3(folder):
    """Save the model that a warm start builds, in a smaller size; return its folder as text."""
    tokenizer = build_tokenizer(TEXTS, 300)
    add_image_tokens(tokenizer)
    model = build_vision_model(
        tokenizer,
        image_size=SIDE,
        patch_size=16,
        hidden_size=64,
        num_heads=2,
        max_position_embeddings=512,
    )
    with known_warnings_dropped():
        model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    save_processor(folder, model.config)
    return str(folder)


def save_smolvlm(folder):
    """Save a tiny SmolVLM, which reads images as Idefics3 does."""
    save_idefics3(folder)
    with known_warnings_dropped():
        model = SmolVLMForConditionalGeneration(SmolVLMConfig.from_pretrained(folder)).float()
        model.generation_config = GenerationConfig.from_pretrained(folder)
        model.save_pretrained(folder)
    side = {"longest_edge": SIDE}
    processor = SmolVLMImageProcessorPil(do_image_splitting=False, size=side, max_image_size=side)
    processor.save_pretrained(folder)
    file = folder / "processor_config.json"
    file.write_text(file.read_text().replace("Idefics3Processor", "SmolVLMProcessor"))
    return str(folder)


def save_qwen_vl(kind, folder):
    """Save a tiny Qwen2-VL, Qwen2.5-VL or Qwen3-VL; ``kind`` is its model_type."""
    tokenizer = build_tokenizer(TEXTS, 300)
    tokenizer.add_tokens([AddedToken(token, special=True) for token in _QWEN_TOKENS])
    tokenizer.chat_template = QWEN_TEMPLATE
    start, end, image, video = (tokenizer.convert_tokens_to_ids(token) for token in _QWEN_TOKENS)
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 6, 6]}
    if kind == "qwen3_vl":  # which transformers' code always does, and vLLM's if it is told
        rope["mrope_interleaved"] = True
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
        "rope_parameters": rope,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "initializer_range": 0.1,
    }
    config_class, model_class, own = _QWEN[kind]
    config = config_class(
        text_config=text,
        vision_config=_TOWER | own,
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = model_class(config).float()
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id)
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    Qwen2VLImageProcessorPil(min_pixels=784, max_pixels=50176).save_pretrained(folder)
    return str(folder)


def pictures(number, *, height=SIDE, width=SIDE):
    """Return different pictures of random pixels, the same in each call."""
    rng = np.random.default_rng(0)
    shape = (height, width, 3)
    return [Image.of(rng.integers(0, 256, shape, dtype=np.uint8)) for _ in range(number)]


def prompt_of(family, parts):
    """Return the ids of a prompt and its images, for parts that are lists of ids or images."""
    ids, places = [], []
    for part in parts:
        if isinstance(part, Image):
            tokens = family.expansion(part)
            places.append(PlacedImage(part, len(ids), len(tokens)))
            ids += tokens
        else:
            ids += part
    return ids, tuple(places)

"""A tiny model of the same architecture as another one, for a dry run."""

from pathlib import Path
from typing import Any

# Sizes of the tiny model; two heads of 64 are the smallest that vLLM's GPU kernels accept.
_TINY_MODEL = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "head_dim": 64,
    "max_window_layers": 2,
    "moe_intermediate_size": 64,
    "num_experts": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
}
_TINY_TOWER = {
    "depth": 2,
    "num_hidden_layers": 2,
    "embed_dim": 64,
    "intermediate_size": 128,
    "num_heads": 2,
    "num_attention_heads": 2,
    "fullatt_block_indexes": [1],
    "deepstack_visual_indexes": [0, 1],
}


def save_tiny_twin(model_path: Path, folder: Path) -> None:
    """Write a model of the same architecture with random weights, and the real tokenizer.

    Images become as many tokens as with the real model.

    If the model folder has no tokenizer, write a byte-level one instead.
    """
    from rllib_gigpo.models.causal_lm import load_config, new_causal_lm, progress_bars_if_slow
    from rllib_gigpo.models.context import known_warnings_dropped
    from rllib_gigpo.models.tiny_model import MIN_VOCAB_SIZE, build_tokenizer
    from rllib_gigpo.models.tokenizer import copy_processor, load_tokenizer, save_tokenizer

    hf_config = load_config(model_path)
    shrink(hf_config.get_text_config())
    shrink_vision(hf_config)
    if has_tokenizer(model_path):
        tokenizer = load_tokenizer(model_path)
    else:
        print("the model folder has no tokenizer; using a byte-level one instead")
        tokenizer = build_tokenizer([], MIN_VOCAB_SIZE)
        use_tokenizer(hf_config.get_text_config(), tokenizer)
    with known_warnings_dropped(), progress_bars_if_slow():
        new_causal_lm(hf_config).save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    copy_processor(model_path, folder)


def has_tokenizer(model_path: Path) -> bool:
    """Return whether a model folder has the files of a tokenizer."""
    names = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")
    return any((Path(model_path) / name).is_file() for name in names)


def use_tokenizer(text_config: Any, tokenizer: Any) -> None:
    """Adapt a Hugging Face configuration to another tokenizer, in place."""
    text_config.vocab_size = len(tokenizer)
    text_config.bos_token_id = None
    text_config.eos_token_id = tokenizer.eos_token_id
    text_config.pad_token_id = tokenizer.pad_token_id


def shrink(text_config: Any) -> None:
    """Reduce a Hugging Face configuration to two small layers, in place."""
    for name, value in _TINY_MODEL.items():
        if getattr(text_config, name, None) is not None:
            setattr(text_config, name, value)
    if getattr(text_config, "num_key_value_heads", None):
        text_config.num_key_value_heads = min(text_config.num_key_value_heads, 2)
    if getattr(text_config, "layer_types", None):
        text_config.layer_types = text_config.layer_types[: text_config.num_hidden_layers]
    rope = getattr(text_config, "rope_parameters", None) or {}
    if "mrope_section" in rope:  # which divides half of a head between time, row and column
        half = _TINY_MODEL["head_dim"] // 2
        rope["mrope_section"] = [half - 2 * (3 * half // 8), 3 * half // 8, 3 * half // 8]


def shrink_vision(hf_config: Any) -> None:
    """Reduce the image tower of a configuration to two small layers, in place."""
    tower = getattr(hf_config, "vision_config", None)
    if tower is None:
        return
    for name, value in _TINY_TOWER.items():
        if getattr(tower, name, None) is not None:
            setattr(tower, name, value)
    width = hf_config.get_text_config().hidden_size
    if getattr(tower, "embed_dim", None):  # Qwen2-VL's name of the width; the other is the output's
        tower.hidden_size = width
    else:
        tower.hidden_size = 64
    if getattr(tower, "out_hidden_size", None):
        tower.out_hidden_size = width

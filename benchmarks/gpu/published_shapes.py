"""The benchmark's models with random weights at published shapes, their FLOPs, and GPUs' peaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers

from rllib_gigpo.layout.tree_mask import positions
from rllib_gigpo.learner.update_data import UpdateData
from rllib_gigpo.models.hardware.pass_memory import ModelShape, model_shape
from rllib_gigpo.models.model_adapter import ModelAdapter

_QWEN = {"vocab_size": 151_936, "num_key_value_heads": 2, "max_position_embeddings": 32_768}


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A model's published shape.

    Attributes:
        source: The model that has this shape.
        kind: The prefix of transformers' configuration class.
        sizes: The arguments of that class; the embeddings are tied.
        micro_batch_tokens: Positions of a pass that should fit on a GPU of 80 GB.
    """

    source: str
    kind: str
    sizes: dict[str, int]
    micro_batch_tokens: int


MODELS = {
    "135m": PublishedModel(
        "SmolLM2-135M",
        "Llama",
        {
            "vocab_size": 49_152,
            "hidden_size": 576,
            "intermediate_size": 1536,
            "num_hidden_layers": 30,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "max_position_embeddings": 8192,
        },
        32_768,
    ),
    "0.5b": PublishedModel(
        "Qwen2.5-0.5B",
        "Qwen2",
        {
            **_QWEN,
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
        },
        16_384,
    ),
    "1.5b": PublishedModel(
        "Qwen2.5-1.5B",
        "Qwen2",
        {
            **_QWEN,
            "hidden_size": 1536,
            "intermediate_size": 8960,
            "num_hidden_layers": 28,
            "num_attention_heads": 12,
        },
        8192,
    ),
}
_TINY = {
    "vocab_size": 1024,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}

# Dense bfloat16 TFLOP/s without sparsity, from the data sheets; the SXM cards.
_PEAKS = {"H100": 989.0, "H200": 989.0, "A100": 312.0}
_OTHER_CARDS = ("PCIe", "NVL", "MIG")  # slower than the SXM card of the same name


def build_adapter(size: str, device: torch.device, *, is_tiny: bool = False) -> ModelAdapter:
    """Build a model with random float32 weights on a device.

    Args:
        size: A key of `MODELS`.
        device: Where the weights are made.
        is_tiny: Whether to shrink the model for a rehearsal.
    """
    published = MODELS[size]
    sizes = published.sizes | (_TINY if is_tiny else {})
    config = getattr(transformers, f"{published.kind}Config")(**sizes, tie_word_embeddings=True)
    torch.manual_seed(0)
    with device:
        model = transformers.AutoModelForCausalLM.from_config(
            config, attn_implementation="sdpa", dtype=torch.float32
        )
    return ModelAdapter(model.to(device).train())


def shape_of(model: Any) -> ModelShape:
    """Return a model's shape, as `rllib train --dry-run` reads it."""
    num_parameters = sum(weight.numel() for weight in model.parameters())
    return model_shape(model.config, num_parameters)


def update_flops(shape: ModelShape, data: UpdateData, row_lengths: np.ndarray) -> float:
    """Count the multiplications and additions that an update needs, recomputation left out.

    ``6·N·T + 12·layers·heads·head_dim·P + 6·hidden·vocab·U``: N weights of the linear layers
    without the head, T computed tokens without padding, P pairs of a token and one that it sees,
    U predictions. Forward 2 per weight and token, or 4 per pair and number (queries with keys, then
    scores with values); backward twice as much.

    Args:
        shape: The model's shape.
        data: The micro-batches.
        row_lengths: (R,) int, the tokens of each row.
    """
    width = shape.num_heads * shape.head_dim
    attention = 2 * shape.hidden_size * (shape.num_heads + shape.num_kv_heads) * shape.head_dim
    mlp = 3 * shape.hidden_size * shape.intermediate_size
    linear = shape.num_layers * (attention + mlp)
    num_predictions = sum(len(batch.targets) for batch in data)
    return (
        6.0 * linear * data.num_computed_tokens
        + 12.0 * shape.num_layers * width * _num_pairs(data, row_lengths)
        + 6.0 * shape.hidden_size * shape.vocab_size * num_predictions
    )


def _num_pairs(data: UpdateData, row_lengths: np.ndarray) -> int:
    """Count the pairs (token, visible token) without padding."""
    num_pairs, alone = 0, list[int]()
    for batch in data:
        if batch.subtree_ends is None:  # of the rows of a sequence, the longest holds the others
            longest = np.zeros(len(batch.input_ids), dtype=np.int64)
            sequences = (batch.state_positions // batch.input_ids.shape[1]).numpy()
            np.maximum.at(longest, sequences, row_lengths[batch.row_indices.numpy()])
            alone += longest.tolist()
        else:  # a token of the padding sees itself
            num_padding = batch.input_ids.numel() - batch.num_tokens
            num_pairs += int((positions(batch.subtree_ends) + 1).sum()) - num_padding
    lengths = np.array(alone, dtype=np.int64)
    return num_pairs + int((lengths * (lengths + 1) // 2).sum())


def peak_flops(device_name: str) -> float | None:
    """Return a GPU's published peak in FLOP/s, or None if it is not in the table."""
    if any(word in device_name for word in _OTHER_CARDS):
        return None
    return next((1e12 * peak for card, peak in _PEAKS.items() if card in device_name), None)

"""`layout_costs`: what a pass over tokens costs, from a model's shape."""

from __future__ import annotations

from typing import Any

import torch

from rllib_gigpo.layout.row_layout import LayoutCosts

# The fixed cost of a micro-batch, one pass over all kernels, in tokens.
_OVERHEAD_TOKENS = {"cpu": 128, "cuda": 2048}
# Time of a multiplication in attention over one in a linear layer, measured on two CPU cores
# (benchmarks/prefix_trees.py): causal kernels compute half of the pairs, a masked one computes all.
_CAUSAL, _MASKED = 1.75, 1.25
# Under bfloat16 autocast on a CPU, linear layers take 1/2.8 of the time and attention hardly less.
_MIXED_ON_CPU = 2.2


def layout_costs(
    config: Any, device: torch.device, *, autocast_dtype: str | None = None
) -> LayoutCosts:
    """Return the costs of a decoder-only model, in units of one token's linear layers.

    Args:
        config: The text part of the Hugging Face configuration.
        device: The model's device.
        autocast_dtype: Type of matrix products; None for that of the weights.

    Returns:
        The costs; of a model without the usual sizes, only the number of tokens and passes counts.
    """
    overhead = _OVERHEAD_TOKENS.get(device.type, 128)
    is_mixed_on_cpu = device.type == "cpu" and autocast_dtype is not None
    try:
        return _costs_of(config, overhead, attention=_MIXED_ON_CPU if is_mixed_on_cpu else 1.0)
    except Exception:  # a fence: some models have no such sizes, or raise if they differ by layer
        return LayoutCosts(overhead=overhead)


def _costs_of(config: Any, overhead: int, *, attention: float) -> LayoutCosts:
    hidden, layers = config.hidden_size, config.num_hidden_layers
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or hidden // heads
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    if not isinstance(inner, int):  # one size per layer
        inner = max(inner)
    # Multiplications of a token in one layer: queries and output, keys and values, gated MLP.
    linear = hidden * head_dim * 2 * (heads + kv_heads) + 3 * hidden * inner
    pair = attention * 2 * heads * head_dim / linear
    return LayoutCosts(
        pair=_CAUSAL * pair,
        masked_pair=_MASKED * pair,
        prediction=hidden * config.vocab_size / (linear * layers),
        overhead=overhead,
    )

"""The part of a model that turns pixels into features."""

from __future__ import annotations

from typing import Any

from torch import nn

# Names in transformers (5.19), by model_type.
_PARTS = {
    "idefics3": ("vision_model", "connector"),
    "smolvlm": ("vision_model", "connector"),
    "qwen2_vl": ("visual",),
    "qwen2_5_vl": ("visual",),
    "qwen3_vl": ("visual",),
}


def tower_of(trunk: Any) -> dict[str, nn.Module]:
    """Return the vision transformer and its projection by name; empty for a model of text.

    Args:
        trunk: A model up to its last hidden states; see `models.causal_lm.trunk_of`.
    """
    return {name: getattr(trunk, name) for name in _PARTS.get(trunk.config.model_type, ())}

"""The memory of a forward and backward pass, from a model's shape alone."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# Copies of a chunk's logits that coexist in the backward pass: logits, log-softmax, gradient.
_LOGIT_COPIES = 3
# A tree on a CPU is at most this long, because its dense mask takes the square.
MASKED_TREE_TOKENS = 2048
# Bytes of an entry while a mask is made: who sees whom, and who does not.
_MASK_STEPS = 2
# What a CPU needs above the tensors counted here, measured (docs/small_models.md).
_CPU_SURPLUS = 1.3
_WORKSPACE = 64 * 2**20  # of its kernels


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The sizes of a decoder-only language model."""

    num_parameters: int  # tied tensors count once
    num_layers: int
    hidden_size: int
    intermediate_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    vocab_size: int


def model_shape(hf_config: Any, num_parameters: int) -> ModelShape:
    """Read the sizes from a Hugging Face configuration."""
    text = hf_config.get_text_config()
    num_heads = text.num_attention_heads
    return ModelShape(
        num_parameters=num_parameters,
        num_layers=text.num_hidden_layers,
        hidden_size=text.hidden_size,
        intermediate_size=getattr(text, "intermediate_size", None) or 4 * text.hidden_size,
        num_heads=num_heads,
        num_kv_heads=getattr(text, "num_key_value_heads", None) or num_heads,
        head_dim=getattr(text, "head_dim", None) or text.hidden_size // num_heads,
        vocab_size=text.vocab_size,
    )


def shape_if_known(hf_config: Any, num_parameters: int) -> ModelShape | None:
    """Return the sizes, or None for a model without the usual ones."""
    try:
        shape = model_shape(hf_config, num_parameters)
        whole = all(isinstance(getattr(shape, field.name), int) for field in fields(shape))
    except Exception:  # a fence: some models have no such sizes, or raise if they differ by layer
        return None
    return shape if whole else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PassMemory:
    """The bytes of a pass over some tokens, forward and backward.

    Attributes:
        shape: The model's shape.
        weights: Type of the weights.
        autocast: Type of the matrix products; None for that of the weights.
        gradient_checkpointing: Whether layers run again in the backward pass.
        chunk_tokens: Number of response tokens whose logits exist at a time.
        is_on_cpu: Whether a CPU computes it: the counts are then an upper bound.
        has_trees: Whether rows may share prefixes, with a dense mask on a CPU.
        num_models: 2 if a critic has a separate model.
    """

    shape: ModelShape
    weights: str
    autocast: str | None
    gradient_checkpointing: bool
    chunk_tokens: int
    is_on_cpu: bool = False
    has_trees: bool = False
    num_models: int = 1

    def parts(self, num_tokens: int) -> dict[str, int]:
        """Return the bytes by part for a micro-batch of ``num_tokens`` positions."""
        return {
            "activations": self.num_models * self._activations(num_tokens),
            "logits of a chunk": self._logits(num_tokens),
            "mask of trees": self._mask(num_tokens),
            "buffers": self._buffers(),
        }

    def total(self, num_tokens: int) -> int:
        """Return the bytes for a micro-batch of ``num_tokens`` positions."""
        return sum(self.parts(num_tokens).values())

    def _activations(self, num_tokens: int) -> int:
        """Return what the forward pass keeps for the backward pass.

        If attention keeps no score matrix (sdpa, flash), a token keeps in each layer: the inputs
        and outputs of two norms, and two residual sums (together 6 hidden); queries and the
        attention output; keys and values; and four tensors of the gated MLP. With checkpointing,
        each layer keeps its input, and one layer at a time is recomputed.
        """
        shape, layers = self.shape, self.shape.num_layers
        per_layer = self._layer_bytes()
        if self.gradient_checkpointing:
            size = BYTES[self.autocast or self.weights]
            if self.is_on_cpu:
                size = BYTES[self.weights]  # between layers the sums stay in the weights' type
            return num_tokens * (layers * shape.hidden_size * size + per_layer)
        return num_tokens * layers * per_layer

    def _layer_bytes(self) -> int:
        shape, product = self.shape, BYTES[self.autocast or self.weights]
        attention = 2 * (shape.num_heads + shape.num_kv_heads) * shape.head_dim
        rest = attention + 4 * shape.intermediate_size
        if not self.is_on_cpu:
            return (6 * shape.hidden_size + rest) * product
        if self.autocast is None:
            return int(_CPU_SURPLUS * (6 * shape.hidden_size + rest) * product)
        # Norms and sums stay in float32: 4 hidden. Each of five products casts its input alone, and
        # the attention output is copied once more.
        in_weights = 4 * shape.hidden_size * BYTES[self.weights]
        return int(_CPU_SURPLUS * (in_weights + (6 * shape.hidden_size + rest) * product))

    def _logits(self, num_tokens: int) -> int:
        chunk = min(self.chunk_tokens, num_tokens) if self.is_on_cpu else self.chunk_tokens
        return _LOGIT_COPIES * chunk * self.shape.vocab_size * 4

    def _buffers(self) -> int:
        """Return what a pass on a CPU needs for any number of tokens."""
        # Input and output embedding each make a gradient of the whole vocabulary.
        embeddings = 2 * self.shape.vocab_size * self.shape.hidden_size * BYTES[self.weights]
        return embeddings + _WORKSPACE if self.is_on_cpu else 0

    def _mask(self, num_tokens: int) -> int:
        if not (self.has_trees and self.is_on_cpu):
            return 0
        size = BYTES[self.autocast or self.weights] + _MASK_STEPS
        return num_tokens * min(num_tokens, MASKED_TREE_TOKENS) * size

"""Memory estimates for a Learner and an engine, computed from a model's shape alone.

The largest parts (weights, gradients, optimiser, reference, KV cache) are exact; activations are
estimated. The overhead of CUDA, NCCL and the allocator is not included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rllib_gigpo.models.hardware.precision import Precision, prefers_bfloat16, this_device

if TYPE_CHECKING:
    from rllib_gigpo.config.sections import Settings

# Copies of a chunk's logits that coexist in the backward pass: logits, log-softmax, gradient.
_LOGIT_COPIES = 3
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


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


def learner_memory(
    shape: ModelShape, settings: Settings, *, num_learners: int = 0
) -> dict[str, int]:
    """Return the bytes of each part on one Learner; every Learner holds the whole model.

    Args:
        shape: Shape of the model.
        settings: Settings of the run.
        num_learners: Number of Learners; more than one keep gradient buckets.
    """
    model, optimizer, loss = settings.model, settings.optimizer, settings.loss
    precision = precision_of(settings)
    weights = shape.num_parameters * _BYTES[model.dtype]
    trained = weights
    if model.lora is not None:
        trained = adapter_parameters(shape, model.lora.rank) * _BYTES[model.dtype]
    copies = _Copies(moments=optimizer.optim.num_moments, buckets=int(num_learners > 1))
    # A critic head on the policy's trunk is one row of weights; a critic model doubles all parts.
    has_critic_model = loss.critic is not None and loss.critic.name == "model"
    return {
        "weights": weights + (trained if model.lora is not None else 0),
        "gradients": trained,
        "gradient buckets of DDP": copies.buckets * trained,
        "optimiser": copies.moments * trained,
        "critic model": copies.of_trained_model * weights if has_critic_model else 0,
        # With LoRA the reference is the model without its adapters.
        "reference model": weights if loss.kl_coeff > 0 and model.lora is None else 0,
        "activations": (1 + has_critic_model)
        * activation_bytes(
            shape,
            num_tokens=optimizer.micro_batch_tokens,
            bytes_per_number=_BYTES[precision.autocast or precision.weights],
            gradient_checkpointing=model.gradient_checkpointing,
        ),
        "logits of a chunk": _LOGIT_COPIES * optimizer.logp_chunk_tokens * shape.vocab_size * 4,
    }


def precision_of(settings: Settings) -> Precision:
    """Return the types of engine and Learner; "auto" means what suits this machine."""
    return Precision.of(
        settings.model.dtype,
        autocast=settings.model.autocast_dtype,
        engine=settings.inference.engine_dtype,
        prefers_bfloat16=lambda: prefers_bfloat16(this_device()),
    )


@dataclass(frozen=True, slots=True)
class _Copies:
    """Number of copies of the trained weights, besides the weights and their gradients."""

    moments: int
    buckets: int

    @property
    def of_trained_model(self) -> int:
        """Weights, gradients, buckets and moments."""
        return 2 + self.moments + self.buckets


def adapter_parameters(shape: ModelShape, rank: int) -> int:
    """Count the parameters of LoRA adapters on all linear layers except the output embedding."""
    heads, kv_heads = shape.num_heads * shape.head_dim, shape.num_kv_heads * shape.head_dim
    attention = 2 * (shape.hidden_size + heads) + 2 * (shape.hidden_size + kv_heads)
    mlp = 3 * (shape.hidden_size + shape.intermediate_size)
    return rank * shape.num_layers * (attention + mlp)


def engine_memory(
    shape: ModelShape, settings: Settings, num_env_runners: int = 0
) -> dict[str, int]:
    """Return the bytes of each part on one GPU of an engine.

    The KV cache is sized to decode all episodes of the EnvRunner at once and at full length. vLLM
    takes the share of the GPU that its settings allow; episodes that do not fit wait.
    """
    model, inference = settings.model, settings.inference
    bytes_per_number = _BYTES[precision_of(settings).engine]
    tokens = model.max_prompt_tokens + model.max_response_tokens
    kv_bytes_per_token = (
        2 * shape.num_layers * shape.num_kv_heads * shape.head_dim * bytes_per_number
    )
    num_episodes = concurrent_episodes(settings, num_env_runners)
    parts = {
        "weights": shape.num_parameters * bytes_per_number,
        "KV cache, all episodes at once": num_episodes * tokens * kv_bytes_per_token,
    }
    return {name: size // inference.tensor_parallel_size for name, size in parts.items()}


def concurrent_episodes(settings: Settings, num_env_runners: int) -> int:
    """Return the number of episodes that one EnvRunner plays at a time."""
    episodes = settings.credit.num_groups * settings.credit.group_size
    per_runner = -(-episodes // max(1, num_env_runners))
    return min(per_runner, settings.inference.max_concurrent_episodes or per_runner)


def activation_bytes(
    shape: ModelShape, *, num_tokens: int, bytes_per_number: int, gradient_checkpointing: bool
) -> int:
    """Estimate the bytes that a forward pass keeps for the backward pass.

    If attention keeps no score matrix (sdpa, flash), a token keeps in each layer: the inputs and
    outputs of two norms, and two residual sums (together 6 hidden); queries and the attention
    output; keys and values; and four tensors of the gated MLP. With checkpointing, each layer keeps
    its input, and one layer at a time is recomputed.
    """
    per_layer = (
        6 * shape.hidden_size
        + 2 * (shape.num_heads + shape.num_kv_heads) * shape.head_dim
        + 4 * shape.intermediate_size
    )
    if gradient_checkpointing:
        per_token = shape.num_layers * shape.hidden_size + per_layer
    else:
        per_token = shape.num_layers * per_layer
    return num_tokens * per_token * bytes_per_number


def size_text(num_bytes: float) -> str:
    """Return a size as "1.4 GiB", "12.0 MiB" or "3.5 KiB"."""
    for unit in ("GiB", "MiB"):
        scale = 2**30 if unit == "GiB" else 2**20
        if num_bytes >= scale:
            return f"{num_bytes / scale:,.1f} {unit}"
    return f"{num_bytes / 2**10:,.1f} KiB"

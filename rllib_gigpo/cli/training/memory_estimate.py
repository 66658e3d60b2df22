"""Memory estimates for a Learner and an engine, computed from a model's shape alone.

The largest parts (weights, gradients, optimiser, reference, KV cache) are exact; activations are
estimated. The overhead of CUDA, NCCL and the allocator is not included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from rllib_gigpo.engines.vllm.vllm_settings import most_cache_bytes
from rllib_gigpo.learner.scoring import pass_memory
from rllib_gigpo.models.hardware.free_memory import free_bytes
from rllib_gigpo.models.hardware.micro_batch_size import resolve_micro_batch_tokens
from rllib_gigpo.models.hardware.pass_memory import BYTES, ModelShape, PassMemory
from rllib_gigpo.models.hardware.precision import Precision, prefers_bfloat16

if TYPE_CHECKING:
    from rllib_gigpo.config.sections import Settings


_GPU, _CPU = torch.device("cuda"), torch.device("cpu")


def learner_memory(
    shape: ModelShape,
    settings: Settings,
    *,
    num_learners: int = 0,
    device: torch.device = _GPU,
    free: Callable[[], int] = free_bytes,
) -> dict[str, int]:
    """Return the bytes of each part on a Learner that holds the whole model.

    `sharding_memory` tells what sharded Learners hold.

    Args:
        shape: Shape of the model.
        settings: Settings of the run.
        num_learners: Number of Learners; more than one keep gradient buckets.
        device: Where the Learner computes.
        free: Returns the free bytes, by which a Learner on a CPU chooses its micro-batches.
    """
    kept = kept_memory(shape, settings, num_learners=num_learners, device=device)
    tokens = micro_batch_tokens(
        shape, settings, num_learners=num_learners, device=device, free=free
    )
    return {**kept, **passes(shape, settings, device).parts(tokens)}


def micro_batch_tokens(
    shape: ModelShape,
    settings: Settings,
    *,
    num_learners: int = 0,
    device: torch.device = _GPU,
    free: Callable[[], int] = free_bytes,
) -> int:
    """Return the positions of a micro-batch, as a Learner of this machine would choose them.

    See `learner_memory` for the arguments.
    """
    kept = sum(kept_memory(shape, settings, num_learners=num_learners, device=device).values())
    num_processes = max(1, num_learners)
    engine = (
        0 if device.type != "cpu" else sum(engine_memory(shape, settings, device=_CPU).values())
    )
    return resolve_micro_batch_tokens(
        settings.optimizer.micro_batch_tokens,
        passes(shape, settings, device),
        device=device,
        to_come=num_processes * kept + engine,
        num_processes=num_processes,
        free=free,
    )


def kept_memory(
    shape: ModelShape, settings: Settings, *, num_learners: int = 0, device: torch.device = _GPU
) -> dict[str, int]:
    """Return the bytes of the parts that a Learner keeps between passes; see `learner_memory`."""
    model, loss = settings.model, settings.loss
    weights = shape.num_parameters * BYTES[model.dtype]
    trained = weights
    if model.lora is not None:
        trained = adapter_parameters(shape, model.lora.rank) * BYTES[model.dtype]
    copies = _Copies(moments=settings.optimizer.optim.num_moments, buckets=int(num_learners > 1))
    # A critic head on the policy's trunk is one row of weights; a critic model doubles all parts.
    has_critic_model = loss.critic is not None and loss.critic.name == "model"
    autocast = precision_on(settings, device).autocast
    has_copy = device.type == "cpu" and autocast is not None
    return {
        "weights": weights + (trained if model.lora is not None else 0),
        "weights in bfloat16": shape.num_parameters * BYTES["bfloat16"] if has_copy else 0,
        "gradients": trained,
        "gradient buckets of DDP": copies.buckets * trained,
        "optimiser": copies.moments * trained,
        "critic model": copies.of_trained_model * weights if has_critic_model else 0,
        "process reward model": copies.of_trained_model * weights
        if loss.process_reward is not None
        else 0,
        # With LoRA the reference is the model without its adapters.
        "reference model": weights if loss.kl_coeff > 0 and model.lora is None else 0,
    }


def passes(shape: ModelShape, settings: Settings, device: torch.device = _GPU) -> PassMemory:
    """Return the memory of a Learner's passes on a device."""
    return pass_memory(shape, settings, precision_on(settings, device).autocast, device=device)


def precision_on(settings: Settings, device: torch.device) -> Precision:
    """Return the types of engine and Learner on a device; "auto" means what suits it."""
    return Precision.of(
        settings.model.dtype,
        autocast=settings.model.autocast_dtype,
        engine=settings.inference.engine_dtype,
        prefers_bfloat16=lambda: prefers_bfloat16(device),
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
    shape: ModelShape, settings: Settings, num_env_runners: int = 0, device: torch.device = _GPU
) -> dict[str, int]:
    """Return the bytes of each part of an engine, on one GPU or in the memory of a CPU.

    The KV cache is sized to decode all episodes of the EnvRunner at once and at full length, on a
    CPU up to our bound. vLLM takes the share of the GPU that its settings allow; episodes that do
    not fit wait.
    """
    model, inference = settings.model, settings.inference
    bytes_per_number = BYTES[precision_on(settings, device).engine]
    tokens = model.max_prompt_tokens + model.max_response_tokens
    kv_bytes_per_token = (
        2 * shape.num_layers * shape.num_kv_heads * shape.head_dim * bytes_per_number
    )
    cache = concurrent_episodes(settings, num_env_runners) * tokens * kv_bytes_per_token
    if device.type == "cpu":
        cache = min(cache, most_cache_bytes(tokens * kv_bytes_per_token))
    parts = {
        "weights": shape.num_parameters * bytes_per_number,
        "KV cache, all episodes at once": cache,
    }
    return {name: size // inference.tensor_parallel_size for name, size in parts.items()}


def concurrent_episodes(settings: Settings, num_env_runners: int) -> int:
    """Return the number of episodes that one EnvRunner plays at a time."""
    episodes = settings.credit.num_groups * settings.credit.group_size
    per_runner = -(-episodes // max(1, num_env_runners))
    return min(per_runner, settings.inference.max_concurrent_episodes or per_runner)

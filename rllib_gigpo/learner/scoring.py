"""Log-probs of a Learner's whole share under one set of weights, without gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from rllib_gigpo.errors import UpdateError
from rllib_gigpo.layout.micro_batch import MicroBatch
from rllib_gigpo.learner.update_data import UpdateData
from rllib_gigpo.models.hardware.pass_memory import ModelShape, PassMemory
from rllib_gigpo.models.hardware.precision import autocast_context
from rllib_gigpo.models.model_adapter import ModelAdapter

if TYPE_CHECKING:
    from rllib_gigpo.config.sections import Settings


@dataclass(frozen=True, slots=True)
class ForwardSettings:
    """Settings of the Learner's forward passes.

    Attributes:
        device: The model's device.
        chunk_tokens: Number of response tokens whose logits exist at a time.
        autocast_dtype: Type of matrix products, such as "bfloat16"; None for that of the weights.
    """

    device: torch.device
    chunk_tokens: int
    autocast_dtype: str | None = None

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context manager to run forward passes in."""
        return autocast_context(self.device, self.autocast_dtype)


def pass_memory(
    shape: ModelShape, settings: Settings, autocast_dtype: str | None, *, device: torch.device
) -> PassMemory:
    """Return the memory of a Learner's forward and backward pass.

    Args:
        shape: The model's shape.
        settings: Settings of the run.
        autocast_dtype: Type of matrix products; None for that of the weights.
        device: The model's device.
    """
    critic = settings.loss.critic
    return PassMemory(
        shape=shape,
        weights=settings.model.dtype,
        autocast=autocast_dtype,
        gradient_checkpointing=settings.model.gradient_checkpointing,
        chunk_tokens=settings.optimizer.logp_chunk_tokens,
        is_on_cpu=device.type == "cpu",
        has_trees=settings.learners.prefix_sharing is not False,
        num_models=1 + (critic is not None and critic.name == "model"),
    )


@torch.no_grad()
def score_all(adapter: ModelAdapter, data: UpdateData, forward: ForwardSettings) -> torch.Tensor:
    """Score all response tokens.

    Args:
        adapter: The adapter of a causal LM.
        data: A Learner's rows.
        forward: The device and precision.

    Returns:
        The log-probs, (S,) float32.
    """
    result = torch.zeros_like(data.columns.rollout_logp)
    with forward.autocast():
        for micro_batch in data:
            with memory_told(micro_batch):
                on_device = micro_batch.to(forward.device)
                logp, _, _ = adapter(on_device, chunk_tokens=forward.chunk_tokens)
            result[on_device.token_indices] = logp
    return result


@contextlib.contextmanager
def memory_told(micro_batch: MicroBatch) -> Iterator[None]:
    """Say in words what to lower if a micro-batch does not fit into the GPU's memory.

    Raises:
        UpdateError: It does not fit.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        num_sequences, length = micro_batch.input_ids.shape
        if len(micro_batch.row_indices) <= 1:
            cure = "Lower llm(max_prompt_tokens=..., max_response_tokens=...): no row is split"
        else:
            cure = f"Lower training(micro_batch_tokens=...) below {num_sequences * length:,}"
        raise UpdateError(
            f"A micro-batch of {num_sequences} x {length:,} tokens does not fit into the memory of"
            f" the Learner's GPU. {cure}; llm(gradient_checkpointing=True) and a lower"
            " training(logp_chunk_tokens=...) save memory too, and `rllib train --dry-run` lists"
            f" what takes how much. torch says: {error}"
        ) from error

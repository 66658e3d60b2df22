"""Log-probs of a Learner's whole share under one set of weights, without gradients."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import torch

from rllib_gigpo.learner.update_data import UpdateData
from rllib_gigpo.models.model_adapter import ModelAdapter


@dataclass(frozen=True, slots=True)
class ForwardSettings:
    """Settings of the Learner's forward passes.

    Attributes:
        device: The model's device.
        chunk_tokens: Number of response tokens whose logits exist at a time.
        autocast_dtype: Type of matrix products on a GPU, such as "bfloat16"; None for the weights'.
    """

    device: torch.device
    chunk_tokens: int
    autocast_dtype: str | None = None

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context manager to run forward passes in."""
        if self.autocast_dtype is None or self.device.type != "cuda":
            return contextlib.nullcontext()
        return torch.autocast("cuda", dtype=getattr(torch, self.autocast_dtype))


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
            on_device = micro_batch.to(forward.device)
            hidden = adapter.hidden_states(on_device)
            logp, _ = adapter.response_scores(on_device, hidden, chunk_tokens=forward.chunk_tokens)
            result[on_device.token_indices] = logp
    return result

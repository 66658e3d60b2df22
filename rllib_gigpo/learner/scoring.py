"""Log-probabilities of a Learner's whole share under one set of weights, without gradients."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import torch

from rllib_gigpo.learner.update_data import UpdateData
from rllib_gigpo.models.model_adapter import ModelAdapter


@dataclass(frozen=True, slots=True)
class ForwardSettings:
    """How the Learner's forward passes run.

    Attributes:
        device: Of the model.
        chunk_tokens: Response tokens whose logits exist at a time.
        autocast_dtype: Type of matrix products on a GPU, such as "bfloat16"; None for the weights'.
    """

    device: torch.device
    chunk_tokens: int
    autocast_dtype: str | None = None

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context of the forward passes."""
        if self.autocast_dtype is None or self.device.type != "cuda":
            return contextlib.nullcontext()
        return torch.autocast("cuda", dtype=getattr(torch, self.autocast_dtype))


@torch.no_grad()
def score_all(adapter: ModelAdapter, data: UpdateData, forward: ForwardSettings) -> torch.Tensor:
    """Score all response tokens.

    Args:
        adapter: Of a causal LM.
        data: A Learner's packed rows.
        forward: Device and precision.

    Returns:
        (S,) float32.
    """
    result = torch.zeros_like(data.columns.rollout_logp)
    with forward.autocast():
        for micro_batch in data:
            on_device = micro_batch.to(forward.device)
            hidden = adapter.hidden_states(on_device)
            logp, _ = adapter.response_scores(on_device, hidden, chunk_tokens=forward.chunk_tokens)
            result[on_device.token_indices] = logp
    return result

"""Log-probabilities of a Learner's whole share under one set of weights, without gradients."""

from __future__ import annotations

from typing import Any

import torch

from rllib_gigpo.learner.settings import autocast
from rllib_gigpo.learner.update_data import UpdateData
from rllib_gigpo.rl_modules.causal_lm_module import score_responses


@torch.no_grad()
def score_all(
    model: torch.nn.Module, data: UpdateData, config: Any, device: torch.device
) -> torch.Tensor:
    """Score all response tokens.

    Args:
        model: A causal LM.
        data: A Learner's packed rows.
        config: With ``logp_chunk_tokens``, ``temperature`` and ``autocast_dtype``.
        device: Of the model.

    Returns:
        (S,) float32.
    """
    result = torch.zeros_like(data.columns.rollout_logp)
    with autocast(config, device):
        for micro_batch in data:
            on_device = micro_batch.to(device)
            logp, _ = score_responses(
                model,
                on_device,
                chunk_tokens=config.logp_chunk_tokens,
                temperature=config.temperature,
            )
            result[on_device.token_indices] = logp
    return result

"""The reference policy of the KL term: the start weights, frozen."""

from __future__ import annotations

import copy
from typing import Any

import torch

from rllib_gigpo.learner.settings import autocast
from rllib_gigpo.learner.update_data import UpdateData
from rllib_gigpo.rl_modules.causal_lm_module import score_responses


class Reference:
    """A frozen copy of a model, outside the RLModule, so that no state or optimiser holds it."""

    def __init__(self, model: torch.nn.Module) -> None:
        """Copy ``model`` as it is."""
        self._model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def score(self, data: UpdateData, config: Any, device: torch.device) -> UpdateData:
        """Score all response tokens, once per update.

        Args:
            data: A Learner's packed rows.
            config: With ``logp_chunk_tokens``, ``temperature`` and ``autocast_dtype``.
            device: Of the model.

        Returns:
            The data with ``ref_logp``.
        """
        ref_logp = torch.zeros_like(data.columns.old_logp)
        with autocast(config, device):
            for micro_batch in data:
                on_device = micro_batch.to(device)
                logp, _ = score_responses(
                    self._model,
                    on_device,
                    chunk_tokens=config.logp_chunk_tokens,
                    temperature=config.temperature,
                )
                ref_logp[on_device.token_indices] = logp
        return data.with_ref_logp(ref_logp)

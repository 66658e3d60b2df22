"""The reference policy of the KL term: the start weights."""

from __future__ import annotations

import copy
from typing import Any

import torch

from rllib_gigpo.learner.scoring import score_all
from rllib_gigpo.learner.update_data import UpdateData
from rllib_gigpo.models.lora import has_lora, lora_disabled


class Reference:
    """A frozen copy of a model, outside the RLModule, so that no state or optimiser holds it."""

    def __init__(self, model: torch.nn.Module) -> None:
        """Copy ``model`` as it is."""
        self._model = copy.deepcopy(model).eval().requires_grad_(False)

    def score(self, data: UpdateData, config: Any, device: torch.device) -> UpdateData:
        """Score all response tokens, once per update; see `score_all`.

        Returns:
            The data with ``ref_logp``.
        """
        return data.with_columns(ref_logp=score_all(self._model, data, config, device))


class AdapterFreeReference(Reference):
    """The policy itself with its adapters switched off: no second copy."""

    def __init__(self, model: torch.nn.Module) -> None:
        """Look at ``model``, a policy with LoRA."""
        self._model = model

    def score(self, data: UpdateData, config: Any, device: torch.device) -> UpdateData:
        """Score without the adapters, see the base class."""
        with lora_disabled(self._model):
            return super().score(data, config, device)


def make_reference(model: torch.nn.Module) -> Reference:
    """Choose how the start weights are kept."""
    return AdapterFreeReference(model) if has_lora(model) else Reference(model)

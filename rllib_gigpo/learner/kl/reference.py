"""The reference policy of the KL term: the start weights."""

from __future__ import annotations

from typing import Any

import torch

from rllib_gigpo.learner.scoring import ForwardSettings, score_all
from rllib_gigpo.learner.sharding import Sharding
from rllib_gigpo.learner.update_data import UpdateData
from rllib_gigpo.models.lora import has_lora, lora_disabled
from rllib_gigpo.models.model_adapter import ModelAdapter
from rllib_gigpo.models.model_probe import probe


class Reference:
    """A frozen model outside the RLModule, so no state or optimiser includes it."""

    def __init__(self, model: Any) -> None:
        """Score with ``model``."""
        self._adapter = ModelAdapter(model)
        probe(self._adapter)

    @classmethod
    def of(cls, model: Any, sharding: Sharding) -> Reference:
        """Keep a model's start weights: a copy, or with LoRA the model without its adapters."""
        return AdapterFreeReference(model) if has_lora(model) else cls(sharding.reference(model))

    def score(self, data: UpdateData, forward: ForwardSettings) -> torch.Tensor:
        """Return the log-probs of all response tokens, (S,); see `score_all`."""
        return score_all(self._adapter, data, forward)


class AdapterFreeReference(Reference):
    """The policy with its adapters disabled, which saves a second copy."""

    def score(self, data: UpdateData, forward: ForwardSettings) -> torch.Tensor:
        """Return the log-probs without the adapters."""
        with lora_disabled(self._adapter.model):
            return super().score(data, forward)

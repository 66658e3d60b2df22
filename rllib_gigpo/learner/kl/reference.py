"""The reference policy of the KL term: the start weights."""

from __future__ import annotations

import torch

from rllib_gigpo.learner.scoring import ForwardSettings, score_all
from rllib_gigpo.learner.sharding.sharding import Sharding
from rllib_gigpo.learner.update_data import UpdateData
from rllib_gigpo.models.lora import has_lora, lora_disabled
from rllib_gigpo.models.model_adapter import ModelAdapter


class Reference:
    """A frozen model outside the RLModule, so no state or optimiser includes it."""

    def __init__(self, adapter: ModelAdapter) -> None:
        """Score with ``adapter``."""
        self._adapter = adapter

    @classmethod
    def of(cls, adapter: ModelAdapter, sharding: Sharding) -> Reference:
        """Keep a model's start weights: a copy, or with LoRA the model without its adapters."""
        if has_lora(adapter.model):
            return AdapterFreeReference(adapter)
        return cls(sharding.reference(adapter))

    def score(self, data: UpdateData, forward: ForwardSettings) -> torch.Tensor:
        """Return the log-probs of all response tokens, (S,); see `score_all`."""
        return score_all(self._adapter, data, forward)


class AdapterFreeReference(Reference):
    """The policy with its adapters disabled, which saves a second copy."""

    def score(self, data: UpdateData, forward: ForwardSettings) -> torch.Tensor:
        """Return the log-probs without the adapters."""
        with lora_disabled(self._adapter.model):
            return super().score(data, forward)

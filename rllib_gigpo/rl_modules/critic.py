"""Critics: from the state that a prompt tells, the return that is still to come."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import nn

from rllib_gigpo.loss.packing import MicroBatch
from rllib_gigpo.models.causal_lm import load_causal_lm


class Critic(nn.Module, ABC):
    """Values of the states at the last tokens of a micro-batch's prompts; at first 0 everywhere."""

    def __init__(self, hidden_size: int) -> None:
        """Make the linear layer; float32, because values have no reason to be coarse."""
        super().__init__()
        self.value = nn.Linear(hidden_size, 1)
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)

    @abstractmethod
    def forward(self, micro_batch: MicroBatch, trunk: torch.Tensor) -> torch.Tensor:
        """Value the states.

        Args:
            micro_batch: B rows.
            trunk: (B·L, H) last hidden states of the policy.

        Returns:
            (B,) float32.
        """

    def _read(self, hidden: torch.Tensor, micro_batch: MicroBatch) -> torch.Tensor:
        return self.value(hidden[micro_batch.state_positions].float()).squeeze(-1)


class HeadCritic(Critic):
    """A linear layer on the policy's trunk, which learns for both."""

    def forward(self, micro_batch: MicroBatch, trunk: torch.Tensor) -> torch.Tensor:
        """Read the policy's hidden states, see the base class."""
        return self._read(trunk, micro_batch)


class ModelCritic(Critic):
    """Its own model, which starts from the policy's start weights."""

    def __init__(self, backbone: nn.Module, hidden_size: int) -> None:
        """Put the linear layer on ``backbone``, a transformer without output embedding."""
        super().__init__(hidden_size)
        self.backbone = backbone

    def forward(self, micro_batch: MicroBatch, trunk: torch.Tensor) -> torch.Tensor:
        """Run the own backbone, see the base class."""
        output = self.backbone(input_ids=micro_batch.input_ids, use_cache=False)
        return self._read(output.last_hidden_state.flatten(0, 1), micro_batch)


def make_critic(kind: str | None, model: Any, model_config: dict[str, Any]) -> Critic | None:
    """Build a critic.

    Args:
        kind: "head", "model", or None for none.
        model: The policy, a Hugging Face causal LM.
        model_config: What the policy was opened with, see `load_causal_lm`.

    Returns:
        The critic.
    """
    hidden_size = model.config.get_text_config().hidden_size
    if kind == "head":
        return HeadCritic(hidden_size)
    if kind == "model":
        return ModelCritic(load_causal_lm(**model_config).base_model, hidden_size)
    return None

"""Critics, which predict the remaining return from the state in a prompt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from rllib_gigpo.layout.micro_batch import MicroBatch
from rllib_gigpo.models.causal_lm import load_causal_lm, trunk_of
from rllib_gigpo.models.trunk import Trunk


class Critic(nn.Module, ABC):
    """A predictor of state values from the last prompt tokens of a micro-batch; 0 at first."""

    def __init__(self, hidden_size: int) -> None:
        """Build the linear layer, in float32 so that values stay precise."""
        super().__init__()
        self.value = nn.Linear(hidden_size, 1)
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)

    @abstractmethod
    def forward(self, micro_batch: MicroBatch, trunk: torch.Tensor) -> torch.Tensor:
        """Return the values of the states.

        Args:
            micro_batch: A micro-batch of B rows.
            trunk: The policy's last hidden states, (B·L, H).

        Returns:
            The values, (B,) float32.
        """

    def _read(self, hidden: torch.Tensor, micro_batch: MicroBatch) -> torch.Tensor:
        return self.value(hidden[micro_batch.state_positions].float()).squeeze(-1)


class HeadCritic(Critic):
    """A linear layer on the policy's trunk; both losses train the trunk."""

    def forward(self, micro_batch: MicroBatch, trunk: torch.Tensor) -> torch.Tensor:
        """Return the values from the policy's hidden states."""
        return self._read(trunk, micro_batch)


class ModelCritic(Critic):
    """A second model, which starts from the policy's start weights."""

    def __init__(
        self, backbone: nn.Module, hidden_size: int, make_trunk: Callable[[Any], Trunk]
    ) -> None:
        """Add the linear layer to ``backbone``, a transformer without an output embedding."""
        super().__init__(hidden_size)
        self.backbone = backbone
        self.trunk = make_trunk(backbone)

    def forward(self, micro_batch: MicroBatch, trunk: torch.Tensor) -> torch.Tensor:
        """Return the values from the critic's own hidden states."""
        return self._read(self.trunk(micro_batch), micro_batch)


def make_critic(
    kind: str | None,
    model: Any,
    model_config: dict[str, Any],
    make_trunk: Callable[[Any], Trunk] = Trunk,
) -> Critic | None:
    """Build a critic.

    Args:
        kind: "head", "model", or None for no critic.
        model: The policy, a Hugging Face causal LM.
        model_config: The arguments that opened the policy, see `load_causal_lm`.
        make_trunk: Builds the trunk of a second model, see `ModelAdapter`.

    Returns:
        The critic, or None.
    """
    hidden_size = model.config.get_text_config().hidden_size
    if kind == "head":
        return HeadCritic(hidden_size)
    if kind == "model":
        return ModelCritic(trunk_of(load_causal_lm(**model_config)), hidden_size, make_trunk)
    return None

"""The whole model on one Learner."""

from __future__ import annotations

from typing import Any

import torch

from rllib_gigpo.learner.sharding.sharding import Sharding


class Single(Sharding):
    """One Learner with the whole model."""

    @property
    def rank(self) -> int:
        """Always 0."""
        return 0

    @property
    def world_size(self) -> int:
        """Always 1."""
        return 1

    def wrap(self, module: Any, device: torch.device, *, product_dtype: str | None) -> Any:
        """Move the model."""
        return module.to(device)

    def reduce(self, tensor: torch.Tensor, *, maximum: bool = False) -> None:
        """Do nothing: there is one Learner."""

    def tell_of_failure(self) -> None:
        """Do nothing: there is one Learner."""

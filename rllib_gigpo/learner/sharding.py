"""How a model is spread over the Learners: whole on one, or a copy on each (DDP).

Everything that depends on the number of Learners is here. A sharded model, with a part of each
layer on every Learner, would be one more class.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.rl_module.torch.torch_rl_module import TorchDDPRLModule
from torch import nn


class Sharding(ABC):
    """Operations that the Learners do together. Call each method except `save` on all of them.

    RLlib (Ray 2.60) asks only Learner 0 for a checkpoint; a sharded model must be gathered first.
    """

    @property
    @abstractmethod
    def rank(self) -> int:
        """Number of this Learner, from 0."""

    @property
    @abstractmethod
    def world_size(self) -> int:
        """Number of Learners."""

    @abstractmethod
    def wrap(self, module: Any) -> None:
        """Prepare RLlib's MultiRLModule for training, in place."""

    @abstractmethod
    def gradient_sync(self, module: Any, *, is_last: bool) -> AbstractContextManager[Any]:
        """Return a context that syncs gradients only in a mini-batch's last backward pass."""

    @abstractmethod
    def reduce(self, tensor: torch.Tensor, *, maximum: bool = False) -> None:
        """Sum ``tensor`` over the Learners, or take the maximum, in place."""

    def all_agree(self, is_so: bool, device: torch.device) -> bool:
        """Return whether all Learners say yes; each of them calls it."""
        votes = torch.tensor(float(is_so), device=device)
        self.reduce(votes)
        return votes.item() == self.world_size

    @abstractmethod
    def tell_of_failure(self) -> None:
        """Make the other Learners fail too, or they wait for this one until their timeout."""

    def clip_gradients(self, groups: list[dict[str, Any]], max_norm: float | None) -> list[float]:
        """Clip each group of parameters by its own norm.

        Args:
            groups: The optimiser's groups; a critic's gradient must not scale the policy's.
            max_norm: The bound; None only measures.

        Returns:
            The norms before clipping, over the whole model.
        """
        bound = math.inf if max_norm is None else max_norm
        return [
            torch.nn.utils.clip_grad_norm_(group["params"], max_norm=bound).item()
            for group in groups
        ]

    def reference(self, model: nn.Module) -> nn.Module:
        """Return a frozen copy of a model."""
        return copy.deepcopy(model).eval().requires_grad_(False)

    def export(
        self, weights: Iterator[tuple[str, torch.Tensor]], dtype: torch.dtype
    ) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield whole tensors one by one, cast and copied to the CPU; only on Learner 0.

        Args:
            weights: Pairs of a name and this Learner's part of the tensor.
            dtype: The type that floating-point tensors are cast to.
        """
        for name, tensor in weights:
            target = dtype if tensor.is_floating_point() else tensor.dtype
            yield name, tensor.detach().to(device="cpu", dtype=target, copy=True)

    def save(
        self, model: Any, folder: Path, state: Mapping[str, torch.Tensor] | None = None
    ) -> None:
        """Write a model as a Hugging Face folder, with the weights of ``state`` if given."""
        model.save_pretrained(folder, state_dict=state)

    def load(self, model: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
        """Load whole tensors into a model.

        Raises:
            RuntimeError: Names or shapes do not match.
        """
        model.load_state_dict(dict(state))


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

    def wrap(self, module: Any) -> None:
        """Do nothing."""

    def gradient_sync(self, module: Any, *, is_last: bool) -> AbstractContextManager[Any]:
        """Return an empty context: there is nothing to sync."""
        return nullcontext()

    def reduce(self, tensor: torch.Tensor, *, maximum: bool = False) -> None:
        """Do nothing: there is one Learner."""

    def tell_of_failure(self) -> None:
        """Do nothing: there is one Learner."""


class DDP(Sharding):
    """A whole copy on each Learner, with averaged gradients (torch's DistributedDataParallel)."""

    def __init__(self, *, world_size: int, ddp_kwargs: Mapping[str, Any]) -> None:
        """Expect ``world_size`` Learners in torch's process group.

        The number comes from the config, because vLLM too makes a process group in the driver.
        """
        self._world_size = world_size
        self._ddp_kwargs = dict(ddp_kwargs)

    @property
    def rank(self) -> int:
        """Rank in torch's process group."""
        return torch.distributed.get_rank()

    @property
    def world_size(self) -> int:
        """Number of Learners in the config."""
        return self._world_size

    def wrap(self, module: Any) -> None:
        """Wrap the policy in DDP."""
        wrapped = TorchDDPRLModule(module[DEFAULT_MODULE_ID], **self._ddp_kwargs)
        module.add_module(DEFAULT_MODULE_ID, wrapped, override=True)

    def gradient_sync(self, module: Any, *, is_last: bool) -> AbstractContextManager[Any]:
        """Return DDP's ``no_sync``, except for the last backward pass."""
        return nullcontext() if is_last else module[DEFAULT_MODULE_ID].no_sync()

    def export(
        self, weights: Iterator[tuple[str, torch.Tensor]], dtype: torch.dtype
    ) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield nothing except on Learner 0: all Learners hold the same weights."""
        return super().export(weights, dtype) if self.rank == 0 else iter(())

    def reduce(self, tensor: torch.Tensor, *, maximum: bool = False) -> None:
        """All-reduce ``tensor``."""
        operation = torch.distributed.ReduceOp.MAX if maximum else torch.distributed.ReduceOp.SUM
        torch.distributed.all_reduce(tensor, op=operation)

    def tell_of_failure(self) -> None:
        """Destroy the process group."""
        torch.distributed.destroy_process_group()


def make_sharding(config: Any) -> Sharding:
    """Return the sharding for RLlib's ``num_learners``."""
    if config.num_learners <= 1:
        return Single()
    return DDP(world_size=config.num_learners, ddp_kwargs=config.torch_ddp_kwargs)

"""How a model is spread over the Learners: whole on one, or a copy on each (DDP).

All that a Learner does differently when it is not alone stands here. A sharded model, with a part
of each layer on every Learner, is one more class.
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
    """What the Learners do together. Every method is called on all of them alike, but for `save`.

    RLlib (Ray 2.60) asks Learner 0 alone for a checkpoint: a sharded model must be gathered first.
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
        """Let the gradients of a mini-batch meet in its last backward pass only."""

    @abstractmethod
    def reduce(self, tensor: torch.Tensor, *, maximum: bool = False) -> None:
        """Sum, or take the maximum, over the Learners, in place."""

    @abstractmethod
    def tell_of_failure(self) -> None:
        """Make the other Learners fail too; they would wait for this one until their time-out."""

    def clip_gradients(self, groups: list[dict[str, Any]], max_norm: float | None) -> list[float]:
        """Clip each group of parameters by its own norm.

        Args:
            groups: An optimiser's; a critic's gradient must not scale the policy's.
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
        """Copy a model, frozen."""
        return copy.deepcopy(model).eval().requires_grad_(False)

    def export(
        self, weights: Iterator[tuple[str, torch.Tensor]], dtype: torch.dtype
    ) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield whole tensors one by one, cast and copied to the CPU; on Learner 0 alone.

        Args:
            weights: (name, this Learner's part of the tensor).
            dtype: What floating-point tensors are cast to before they travel.
        """
        for name, tensor in weights:
            target = dtype if tensor.is_floating_point() else tensor.dtype
            yield name, tensor.detach().to(device="cpu", dtype=target, copy=True)

    def save(
        self, model: Any, folder: Path, state: Mapping[str, torch.Tensor] | None = None
    ) -> None:
        """Write a model as a Hugging Face folder; ``state`` in place of its own weights."""
        model.save_pretrained(folder, state_dict=state)

    def load(self, model: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
        """Load whole tensors into a model.

        Raises:
            RuntimeError: Names or shapes do not fit.
        """
        model.load_state_dict(dict(state))


class Single(Sharding):
    """One Learner with the whole model."""

    @property
    def rank(self) -> int:
        """0, see the base class."""
        return 0

    @property
    def world_size(self) -> int:
        """1, see the base class."""
        return 1

    def wrap(self, module: Any) -> None:
        """Leave the module as it is, see the base class."""

    def gradient_sync(self, module: Any, *, is_last: bool) -> AbstractContextManager[Any]:
        """Nobody to meet, see the base class."""
        return nullcontext()

    def reduce(self, tensor: torch.Tensor, *, maximum: bool = False) -> None:
        """Nobody to meet, see the base class."""

    def tell_of_failure(self) -> None:
        """Nobody to tell, see the base class."""


class DDP(Sharding):
    """A whole copy on each Learner; gradients are averaged (torch's DistributedDataParallel)."""

    def __init__(self, *, world_size: int, ddp_kwargs: Mapping[str, Any]) -> None:
        """Expect ``world_size`` Learners in torch's process group.

        The number comes from the config: vLLM makes a process group too, in the driver's process.
        """
        self._world_size = world_size
        self._ddp_kwargs = dict(ddp_kwargs)

    @property
    def rank(self) -> int:
        """Torch's, see the base class."""
        return torch.distributed.get_rank()

    @property
    def world_size(self) -> int:
        """As the config says, see the base class."""
        return self._world_size

    def wrap(self, module: Any) -> None:
        """Put DDP around the policy, see the base class."""
        wrapped = TorchDDPRLModule(module[DEFAULT_MODULE_ID], **self._ddp_kwargs)
        module.add_module(DEFAULT_MODULE_ID, wrapped, override=True)

    def gradient_sync(self, module: Any, *, is_last: bool) -> AbstractContextManager[Any]:
        """Use DDP's ``no_sync``, see the base class."""
        return nullcontext() if is_last else module[DEFAULT_MODULE_ID].no_sync()

    def export(
        self, weights: Iterator[tuple[str, torch.Tensor]], dtype: torch.dtype
    ) -> Iterator[tuple[str, torch.Tensor]]:
        """All hold the same: Learner 0's are enough, see the base class."""
        return super().export(weights, dtype) if self.rank == 0 else iter(())

    def reduce(self, tensor: torch.Tensor, *, maximum: bool = False) -> None:
        """Use an all-reduce, see the base class."""
        operation = torch.distributed.ReduceOp.MAX if maximum else torch.distributed.ReduceOp.SUM
        torch.distributed.all_reduce(tensor, op=operation)

    def tell_of_failure(self) -> None:
        """Break the process group, see the base class."""
        torch.distributed.destroy_process_group()


def make_sharding(config: Any) -> Sharding:
    """Choose by RLlib's ``num_learners``."""
    if config.num_learners <= 1:
        return Single()
    return DDP(world_size=config.num_learners, ddp_kwargs=config.torch_ddp_kwargs)

"""The operations that Learners do together, however they share a model.

Everything that depends on the number of Learners is here and in the subclasses.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import timedelta
from typing import Any

import torch
from torch import nn
from torch.distributed.distributed_c10d import _abort_process_group, _set_pg_timeout

from rllib_gigpo.layout.micro_batch import MicroBatch, empty_micro_batch
from rllib_gigpo.models.lora import merged_weights
from rllib_gigpo.models.model_adapter import ModelAdapter, NamedTensors

MicroBatches = list[list[MicroBatch]]  # by mini-batch


class Sharding(ABC):
    """Operations that the Learners do together: call each method on all of them."""

    is_whole: bool = True  # whether each Learner holds whole tensors

    @property
    @abstractmethod
    def rank(self) -> int:
        """Number of this Learner, from 0."""

    @property
    @abstractmethod
    def world_size(self) -> int:
        """Number of Learners."""

    @abstractmethod
    def wrap(self, module: Any, device: torch.device, *, product_dtype: str | None) -> Any:
        """Move a `CausalLMModule` to the Learner's device, and prepare it for training.

        Args:
            module: The module, on the CPU.
            device: The Learner's device.
            product_dtype: Type of the matrix products; None for that of the weights.

        Returns:
            The module to train: ``module`` itself or a wrapper.
        """

    def gradient_sync(self, module: Any, *, is_last: bool) -> AbstractContextManager[Any]:
        """Return a context for a pass; ``is_last`` marks a mini-batch's last one.

        Args:
            module: The result of `wrap`.
            is_last: Whether the gradients of the mini-batch are then complete.
        """
        return nullcontext()

    def evened(self, micro_batches: MicroBatches) -> MicroBatches:
        """Add empty micro-batches, so that Learners that wait for each other have equally many.

        Here each mini-batch has at least one: without rows too, a Learner joins the backward pass.
        """
        return [part or [empty_micro_batch()] for part in micro_batches]

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

    def average_gradients(self, model: nn.Module) -> None:  # noqa: B027 - nothing to do
        """Average over the Learners the gradients of a model that has passes of its own.

        Those of the wrapped module are averaged in its backward pass, and so is every sharded one.
        """

    def reference(self, adapter: ModelAdapter) -> ModelAdapter:
        """Return a frozen copy of a model."""
        return copy.deepcopy(adapter).eval().requires_grad_(False)

    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return on Learner 0 the whole tensor of which each Learner may hold a part."""
        return tensor

    def export(
        self, weights: NamedTensors, dtype: torch.dtype
    ) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield whole tensors one by one, cast and copied to the CPU; only on Learner 0.

        Args:
            weights: Pairs of a name and this Learner's part of the tensor.
            dtype: The type that floating-point tensors are cast to.
        """
        for name, tensor in weights:
            target = dtype if tensor.is_floating_point() else tensor.dtype
            yield name, tensor.detach().to(device="cpu", dtype=target, copy=True)

    def state(self, model: nn.Module) -> dict[str, torch.Tensor] | None:
        """Return a model's whole tensors, with adapters merged; None except on Learner 0.

        The tensors of a model that is not sharded are its own.
        """
        return {name: tensor.contiguous() for name, tensor in merged_weights(model)}

    def load(self, model: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
        """Load whole tensors into a model.

        Raises:
            RuntimeError: Names or shapes do not match.
        """
        model.load_state_dict(dict(state))

    def together(self) -> AbstractContextManager[Any]:
        """Return a context that fails on all sharded Learners if it fails on one."""
        return nullcontext()

    def share(self, tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """Return the part of a whole tensor that this Learner holds of ``like``."""
        return tensor


class OfSeveral(Sharding):
    """Base of the shardings over several Learners, in torch's process group."""

    def __init__(self, *, world_size: int, timeout_s: float) -> None:
        """Expect ``world_size`` Learners in torch's process group.

        Args:
            world_size: Their number, from the config: vLLM too makes a process group.
            timeout_s: Longest wait for another Learner; Ray's default is half an hour.
        """
        self._world_size = world_size
        self._timeout_s = timeout_s

    @property
    def rank(self) -> int:
        """Rank in torch's process group."""
        return torch.distributed.get_rank()

    @property
    def world_size(self) -> int:
        """Number of Learners in the config."""
        return self._world_size

    def limit_waits(self) -> None:
        """Set the longest wait for another Learner."""
        _set_pg_timeout(timedelta(seconds=self._timeout_s))

    def reduce(self, tensor: torch.Tensor, *, maximum: bool = False) -> None:
        """All-reduce ``tensor``."""
        operation = torch.distributed.ReduceOp.MAX if maximum else torch.distributed.ReduceOp.SUM
        torch.distributed.all_reduce(tensor, op=operation)

    def tell_of_failure(self) -> None:
        """Destroy the process group; on GPUs also stop what is under way there (untested)."""
        with suppress(Exception):  # it may be gone, and must not hide the failure
            if torch.distributed.get_backend() == "nccl":
                _abort_process_group()
            else:
                torch.distributed.destroy_process_group()

"""A part of each tensor on each Learner: torch's FSDP2 (``fully_shard``, arXiv 2304.11277).

Before a layer runs, the Learners gather its weights, and free them after it. The embedding, the
norm and the head are one group, gathered for a whole pass, because they may be tied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import (
    CPUOffloadPolicy,
    MixedPrecisionPolicy,
    fully_shard,
    register_fsdp_forward_method,
)
from torch.distributed.tensor import DTensor, distribute_tensor

from rllib_gigpo.errors import CheckpointError, ConfigError
from rllib_gigpo.layout.micro_batch import empty_micro_batch
from rllib_gigpo.learner.sharding.sharding import MicroBatches, OfSeveral
from rllib_gigpo.models.causal_lm import layers_of
from rllib_gigpo.models.lora import merged_weights
from rllib_gigpo.models.model_adapter import ModelAdapter, NamedTensors, disable_dropout


class FSDP2(OfSeveral):
    """Weights, gradients and moments in shards; a layer is whole only while it runs."""

    is_whole = False

    def __init__(self, *, world_size: int, timeout_s: float, cpu_offload: bool = False) -> None:
        """Expect ``world_size`` Learners; see `kinds.FSDP2Kind`."""
        super().__init__(world_size=world_size, timeout_s=timeout_s)
        self._cpu_offload = cpu_offload
        self._device: torch.device
        self._options: dict[str, Any]  # of every group
        self._precision: dict[str, Any]  # of every group except the critic's last layer

    def wrap(self, module: Any, device: torch.device, *, product_dtype: str | None) -> Any:
        """Shard the policy and second models, layer by layer; each shard moves to the device."""
        self.limit_waits()
        self._device = device
        self._options = {"mesh": init_device_mesh(device.type, (self.world_size,))}
        if self._cpu_offload:
            self._options["offload_policy"] = CPUOffloadPolicy(pin_memory=device.type == "cuda")
        if product_dtype is not None:
            policy = MixedPrecisionPolicy(
                param_dtype=getattr(torch, product_dtype), reduce_dtype=torch.float32
            )
            self._precision = {"mp_policy": policy}
        else:
            self._precision = {}
        self._shard(module.adapter)
        if module.critic is not None:
            fully_shard(module.critic.value, **self._options)
        for second in module.second_models.values():
            self._shard(second)
        return module

    def _shard(self, unit: nn.Module) -> None:
        """Shard a module whose passes begin and end with a call of it."""
        layers = layers_of(unit)
        _check_shardable(unit, layers)
        for layer in layers:
            fully_shard(layer, **self._options, **self._precision)
        # By default the outermost group stays whole after a pass, even after one without gradients.
        fully_shard(unit, reshard_after_forward=True, **self._options, **self._precision)
        for name in getattr(unit, "PASSES", ()):
            register_fsdp_forward_method(unit, name)

    def evened(self, micro_batches: MicroBatches) -> MicroBatches:
        """Give all Learners equally many micro-batches: every pass gathers each layer."""
        counts = torch.tensor([max(1, len(part)) for part in micro_batches], device=self._device)
        self.reduce(counts, maximum=True)
        return [
            [*part, *(empty_micro_batch() for _ in range(count - len(part)))]
            for part, count in zip(micro_batches, counts.tolist(), strict=True)
        ]

    def clip_gradients(self, groups: list[dict[str, Any]], max_norm: float | None) -> list[float]:
        """Clip each group by the norm over all shards; see the base class.

        torch's function reduces on the gradients' device, which with ``cpu_offload`` is not that of
        the process group.
        """
        gradients = [[_local(one.grad) for one in _trained(group["params"])] for group in groups]
        squares = torch.stack([self._square(part) for part in gradients])
        self.reduce(squares)
        norms = squares.sqrt().tolist()
        for part, norm in zip(gradients, norms, strict=True):
            # torch's epsilon, and like there a norm that is not finite reaches the gradients.
            if max_norm is not None and not norm + 1e-6 <= max_norm:
                torch._foreach_mul_(part, max_norm / (norm + 1e-6))
        return norms

    def _square(self, gradients: list[torch.Tensor]) -> torch.Tensor:
        norm = torch.nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())
        return norm.to(self._device, torch.float64).square()

    def reference(self, adapter: ModelAdapter) -> ModelAdapter:
        """Return a frozen copy in shards: built without memory, then filled shard by shard."""
        model = adapter.model
        with torch.device("meta"):
            attention = model.config._attn_implementation
            empty = type(model)._from_config(
                model.config, dtype=model.dtype, attn_implementation=attention
            )
        disable_dropout(empty)
        twin = adapter.around(empty).eval().requires_grad_(False)
        self._shard(twin)
        twin.to_empty(device="cpu" if self._cpu_offload else self._device)
        for buffer in twin.buffers():
            buffer.data = buffer.data.to(self._device)
        sources = {**dict(adapter.named_parameters()), **dict(adapter.named_buffers())}
        with torch.no_grad():
            for name, target in (*twin.named_parameters(), *twin.named_buffers()):
                _local(target).copy_(_local(sources[name]))
        if adapter.has_own_head:
            twin.use_own_head()
        return twin

    @torch.no_grad()
    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        """Collect a tensor on Learner 0, which adds no more than itself to the shards there.

        The other Learners send their parts, and return a tensor without memory.
        """
        if not isinstance(tensor, DTensor):
            return tensor
        part = _local(tensor.detach()).to(self._device).contiguous()
        if self.rank > 0:
            if part.numel():
                torch.distributed.send(part, dst=0)
            return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
        whole = torch.empty(tensor.shape, dtype=tensor.dtype, device=self._device)
        first, *others = whole.split(-(-len(whole) // self.world_size))
        first.copy_(part)
        for source, rows in enumerate(others, 1):
            torch.distributed.recv(rows, src=source)
        return whole

    @torch.no_grad()
    def export(
        self, weights: NamedTensors, dtype: torch.dtype
    ) -> Iterator[tuple[str, torch.Tensor]]:
        """Cast each shard, collect the tensor, hand it on, and free it; see the base class."""
        for name, tensor in weights:
            cast = tensor.detach().to(dtype) if tensor.is_floating_point() else tensor.detach()
            whole = self.whole(cast)
            if self.rank == 0:
                yield name, whole.to("cpu", copy=whole is cast)  # a collected one is new
            del whole

    def state(self, model: nn.Module) -> dict[str, torch.Tensor] | None:
        """Collect all tensors in the host's memory of Learner 0; tied ones stay one tensor."""
        collected: dict[nn.Parameter, torch.Tensor] = {}
        result = {}
        for name, tensor in merged_weights(model, whole=self.whole):
            known = collected.get(tensor) if isinstance(tensor, nn.Parameter) else None
            if known is None:
                whole = self.whole(tensor)
                known = whole.cpu() if self.rank == 0 else whole
            if isinstance(tensor, nn.Parameter):
                collected[tensor] = known
            result[name] = known
        return result if self.rank == 0 else None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Raise on all Learners if the block fails on one: what follows needs all of them."""
        try:
            yield
        except Exception:
            self.all_agree(False, self._device)
            raise
        if not self.all_agree(True, self._device):
            raise CheckpointError("another Learner failed; its reason is reported too")

    @torch.no_grad()
    def load(self, model: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
        """Copy this Learner's part of each tensor; see the base class."""
        own = model.state_dict(keep_vars=True)
        _check_equal_names(own, state)
        for name, tensor in own.items():
            _local(tensor).copy_(_local(self.share(state[name], tensor)))

    def share(self, tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """Cut a whole tensor as ``like`` is cut; tensors of another shape stay whole."""
        if not isinstance(like, DTensor) or tensor.shape != like.shape:
            return tensor
        on_device = tensor.to(like.to_local().device)
        return distribute_tensor(on_device, like.device_mesh, like.placements, src_data_rank=None)


def _check_shardable(unit: nn.Module, layers: Sequence[nn.Module]) -> None:
    """Check what torch's ``fully_shard`` relies on.

    Raises:
        ConfigError: Layers share weights, or weights have several types.
    """
    own = [set(layer.parameters()) for layer in layers]
    if sum(map(len, own)) > len(set().union(*own)):
        problem = "shares weights between its layers"
    elif len({one.dtype for one in _unsharded(unit) if one.requires_grad}) > 1:
        problem = "has weights of several types"
    else:
        return
    raise ConfigError(
        f"This model {problem}, so it cannot be sharded: set learners(sharding='ddp'), or use"
        " another model."
    )


def _unsharded(unit: nn.Module) -> Iterator[nn.Parameter]:
    return (one for one in unit.parameters() if not isinstance(one, DTensor))


def _trained(parameters: Iterable[nn.Parameter]) -> Iterator[nn.Parameter]:
    return (parameter for parameter in parameters if parameter.grad is not None)


def _local(tensor: Any) -> torch.Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _check_equal_names(own: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    differences = [f"lacks {name}" for name in sorted(set(own) - set(state))]
    differences += [f"has {name}, which the model lacks" for name in sorted(set(state) - set(own))]
    differences += [
        f"has {name} of shape {tuple(state[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if differences:
        raise RuntimeError("\n".join(["The weights do not match:", *differences]))

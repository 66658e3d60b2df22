"""A copy of the model on each Learner: torch's DistributedDataParallel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from ray.rllib.core.rl_module.torch.torch_rl_module import TorchDDPRLModule
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from rllib_gigpo.learner.sharding.sharding import OfSeveral
from rllib_gigpo.models.model_adapter import NamedTensors
from rllib_gigpo.rl_modules.causal_lm_module import PROCESS_REWARD


class DDP(OfSeveral):
    """A whole copy on each Learner, with averaged gradients."""

    def __init__(self, *, world_size: int, ddp_kwargs: Mapping[str, Any], timeout_s: float) -> None:
        """Expect ``world_size`` Learners; ``ddp_kwargs`` are torch's options."""
        super().__init__(world_size=world_size, timeout_s=timeout_s)
        self._ddp_kwargs = dict(ddp_kwargs)

    def wrap(self, module: Any, device: torch.device, *, product_dtype: str | None) -> Any:
        """Move the model and wrap it in DDP."""
        self.limit_waits()
        if module.process_reward is not None:
            # A pass of the policy does not reach them, and DDP would wait for their gradients.
            named = module.process_reward.state_dict(prefix=f"{PROCESS_REWARD}.", keep_vars=True)
            DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(module, [*named])
        return TorchDDPRLModule(module.to(device), **self._ddp_kwargs)

    def gradient_sync(self, module: Any, *, is_last: bool) -> AbstractContextManager[Any]:
        """Return DDP's ``no_sync``, except for the last backward pass."""
        return nullcontext() if is_last else module.no_sync()

    def average_gradients(self, model: nn.Module) -> None:
        """All-reduce the gradients; a weight that no Learner reached keeps none, as with one."""
        trained = [one for one in model.parameters() if one.requires_grad]
        device = trained[0].device if trained else None
        reached = torch.tensor([float(one.grad is not None) for one in trained], device=device)
        self.reduce(reached)
        for parameter, num_learners in zip(trained, reached.tolist(), strict=True):
            if num_learners:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                self.reduce(parameter.grad)
                parameter.grad /= self.world_size

    def export(
        self, weights: NamedTensors, dtype: torch.dtype
    ) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield nothing except on Learner 0: all Learners hold the same weights."""
        return super().export(weights, dtype) if self.rank == 0 else iter(())

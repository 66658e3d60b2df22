"""One Learner's update without Ray around it, and its memory by part."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import torch

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.cli.training.memory_estimate import learner_memory
from rllib_gigpo.errors import UpdateError
from rllib_gigpo.layout.row_layout import RowLayout
from rllib_gigpo.learner.optimization.optim import AdamW, parameter_groups
from rllib_gigpo.learner.scoring import ForwardSettings, memory_told
from rllib_gigpo.learner.sharding.single import Single
from rllib_gigpo.learner.update_data import prepare_update
from rllib_gigpo.loss.aggregation import TokenMean
from rllib_gigpo.loss.objective import ObjectiveSettings, objective
from rllib_gigpo.models.hardware.pass_memory import ModelShape
from rllib_gigpo.models.model_adapter import ModelAdapter

CHUNK_TOKENS = 1024  # the default of training(logp_chunk_tokens=...)
AUTOCAST_DTYPE = "bfloat16"
_GRAD_CLIP, _LR = 1.0, 1e-6


class UpdateLoop:
    """The update of `GiGPOLearner` on one GPU, without Ray: one epoch over the mini-batches."""

    def __init__(
        self, adapter: ModelAdapter, rows: TokenRows, *, layout: RowLayout, device: torch.device
    ) -> None:
        """Lay out the rows and build the optimiser.

        Args:
            adapter: The adapter of a model on the device.
            rows: The rows.
            layout: How rows become micro-batches.
            device: The model's device.
        """
        self._adapter = adapter
        self._forward = ForwardSettings(device, CHUNK_TOKENS, AUTOCAST_DTYPE)
        groups = parameter_groups((adapter.model.parameters(), _LR))
        self._optimizer = AdamW().build(groups)
        data = prepare_update(rows, TokenMean(), layout=layout, sharding=Single(), device=device)
        # A model with random weights gives each token about the same probability.
        logp = -math.log(adapter.model.config.vocab_size)
        same = torch.full_like(data.columns.rollout_logp, logp)
        self.data = data.with_columns(rollout_logp=same, old_logp=same)

    def update(self) -> None:
        """Take one optimiser step per mini-batch.

        Raises:
            UpdateError: A micro-batch does not fit into the memory, or the loss or a gradient is
                not finite.
        """
        for micro_batches, divisor in zip(self.data.micro_batches, self.data.divisors, strict=True):
            self._optimizer.zero_grad(set_to_none=True)
            total = torch.zeros((), device=self._forward.device)
            for micro_batch in micro_batches:
                with memory_told(micro_batch):
                    total += self._backward(micro_batch, divisor)
            self._step(total)

    def _backward(self, micro_batch: Any, divisor: float) -> torch.Tensor:
        on_device = micro_batch.to(self._forward.device)
        with self._forward.autocast():
            hidden = self._adapter.hidden_states(on_device)
            logp, entropy = self._adapter.response_scores(
                on_device, hidden, chunk_tokens=CHUNK_TOKENS
            )
        columns = self.data.columns_of(on_device)
        loss = objective(logp, entropy, columns, ObjectiveSettings()).loss / divisor
        loss.backward()
        return loss.detach()

    def _step(self, total: torch.Tensor) -> None:
        weights = [weight for group in self._optimizer.param_groups for weight in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(weights, max_norm=_GRAD_CLIP)
        if not math.isfinite(total.item() + norm.item()):
            raise UpdateError(f"The loss is {total.item()}, the gradient's norm {norm.item()}.")
        self._optimizer.step()

    def memory_parts(self) -> dict[str, int]:
        """Return the bytes of each part after an update, under the names of `memory_estimates`.

        Without a GPU the peak and the activations are left out.
        """
        weights = list(self._adapter.model.parameters())
        states = self._optimizer.state.values()
        parts = {
            "weights": sum(map(_num_bytes, weights)),
            "gradients": sum(_num_bytes(one.grad) for one in weights if one.grad is not None),
            "optimiser": sum(_num_bytes(value) for state in states for value in state.values()),
        }
        if self._forward.device.type != "cuda":
            return parts
        peak = torch.cuda.max_memory_allocated()
        return {**parts, "activations and logits": peak - sum(parts.values()), "peak": peak}


def _num_bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def memory_estimates(shape: ModelShape, *, micro_batch_tokens: int) -> dict[str, int]:
    """Return what `rllib train --dry-run` estimates for this update, in bytes by part.

    Args:
        shape: The model's shape.
        micro_batch_tokens: Positions of a pass.
    """
    settings: Any = SimpleNamespace(
        model=SimpleNamespace(
            dtype="float32",
            autocast_dtype=AUTOCAST_DTYPE,
            lora=None,
            gradient_checkpointing=False,
        ),
        optimizer=SimpleNamespace(
            optim=AdamW(), micro_batch_tokens=micro_batch_tokens, logp_chunk_tokens=CHUNK_TOKENS
        ),
        loss=SimpleNamespace(critic=None, process_reward=None, kl_coeff=0.0),
        inference=SimpleNamespace(engine_dtype=None),
        learners=SimpleNamespace(prefix_sharing=False),
    )
    parts = learner_memory(shape, settings)
    return {
        **{name: parts[name] for name in ("weights", "gradients", "optimiser")},
        "activations and logits": parts["activations"] + parts["logits of a chunk"],
        "peak": sum(parts.values()),
    }

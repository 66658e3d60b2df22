"""The implicit process reward model: its rewards for credit, and its step once per batch.

It starts from the policy's start weights and is a causal LM like the policy. The loss compares
whole trajectories, which no micro-batch holds. But at the weights that gave the rewards, its
gradient is that of Σ over rows of c · Σ log π_PRM, where c is the derivative of the loss by the
row's log-probabilities (`credit.pair_loss`). So one pass over the rows gives the exact gradient,
whatever the micro-batches and the number of Learners.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.micro_batch import MicroBatch
from rllib_gigpo.layout.row_layout import RowLayout
from rllib_gigpo.learner.scoring import ForwardSettings, memory_told, score_all
from rllib_gigpo.learner.sharding.sharding import Sharding
from rllib_gigpo.learner.update_data import UpdateData
from rllib_gigpo.models.model_adapter import ModelAdapter


class ProcessReward:
    """What a Learner does with the process reward model; call each method on all Learners."""

    def __init__(
        self,
        model: ModelAdapter,
        policy: ModelAdapter,
        *,
        beta: float,
        grad_clip: float | None,
        sharding: Sharding,
        forward: ForwardSettings,
    ) -> None:
        """Train ``model`` beside ``policy``.

        Args:
            model: The process reward model.
            policy: The policy, after its probe.
            beta: β of the rewards.
            grad_clip: Largest norm of the model's gradient; None for no clipping.
            sharding: How both models are shared.
            forward: The device and precision.
        """
        self._model = model
        self._policy = policy
        self._beta = beta
        self._grad_clip = grad_clip
        self._sharding = sharding
        self._forward = forward
        if policy.has_own_head:
            model.use_own_head()

    def rewards(self, data: UpdateData) -> np.ndarray:
        """Return β·(Σ log π_PRM - Σ log π) over each row's response tokens, (R,) float64.

        Both models compute the same way, so the rewards are exactly 0 while they are equal. The
        engine's log-probs would leave its rounding, which the rule might divide by a tiny std.
        """
        models = (self._model, self._policy)
        logp, old_logp = (score_all(one, data, self._forward).double() for one in models)
        sums = torch.zeros(data.num_rows, dtype=torch.float64, device=logp.device)
        sums.index_add_(0, data.columns.row_ids, logp - old_logp)
        return (self._beta * sums).cpu().numpy()

    def update(
        self, rows: TokenRows, optimizer: torch.optim.Optimizer, layout: RowLayout
    ) -> dict[str, float]:
        """Take one optimiser step, unless no task of the batch has both outcomes.

        Args:
            rows: This Learner's rows, with ``pair_gradients``.
            optimizer: The optimiser of all models; the others get no gradient, and stay.
            layout: How rows become micro-batches.

        Returns:
            ``process_reward_grad_norm``, before clipping, and ``process_reward_skipped_share``: 1
            if the norm is not finite, which skips the step. Without pairs there are no metrics.

        Raises:
            ValueError: The rows lack ``pair_gradients``.
        """
        if rows.pair_gradients is None:
            raise ValueError("The rows lack pair_gradients, which a process reward model needs.")
        chosen = np.flatnonzero(rows.pair_gradients)
        num_chosen = torch.tensor(float(len(chosen)), device=self._forward.device)
        self._sharding.reduce(num_chosen)
        if not num_chosen.item():
            return {}
        optimizer.zero_grad(set_to_none=True)
        coefficients = np.repeat(rows.pair_gradients, rows.response_lengths)
        micro_batches = layout.micro_batches(rows, chosen)
        self._add_gradients(torch.from_numpy(coefficients), micro_batches)
        self._sharding.average_gradients(self._model)
        group = {"params": [one for one in self._model.parameters() if one.requires_grad]}
        (norm,) = self._sharding.clip_gradients([group], self._grad_clip)
        if math.isfinite(norm):
            optimizer.step()
        skipped = float(not math.isfinite(norm))
        return {"process_reward_grad_norm": norm, "process_reward_skipped_share": skipped}

    def _add_gradients(self, coefficients: torch.Tensor, micro_batches: list[MicroBatch]) -> None:
        """Add up the gradients of Σ c·log π_PRM; ``coefficients`` (S,) are c of each token."""
        forward = self._forward
        coefficients = coefficients.to(forward.device)
        for micro_batch in self._sharding.evened([micro_batches])[0]:
            with memory_told(micro_batch):
                on_device = micro_batch.to(forward.device)
                with forward.autocast():
                    logp, _, _ = self._model(on_device, chunk_tokens=forward.chunk_tokens)
                loss = (logp * coefficients[on_device.token_indices]).sum()
                # The Learners average their gradients, but the loss is a sum over them.
                (loss * self._sharding.world_size).backward()

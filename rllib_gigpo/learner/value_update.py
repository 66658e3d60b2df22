"""The critic's side of an update: its loss beside the policy's, its metrics, its values before."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.learner.scoring import ForwardSettings
from rllib_gigpo.learner.sharding import Sharding
from rllib_gigpo.learner.update_data import overhead_tokens
from rllib_gigpo.loss.packing import MicroBatch, pack_rows
from rllib_gigpo.loss.value_loss import VALUE_METRIC_NAMES, RowColumns, value_loss
from rllib_gigpo.rl_modules.critic_settings import CriticSettings


class ValueUpdate:
    """Adds up the critic's loss over an update's mini-batches."""

    def __init__(
        self, settings: CriticSettings, *, device: torch.device, sharding: Sharding
    ) -> None:
        """Start an update.

        Args:
            settings: Weight and clip of the loss.
            device: Of the model.
            sharding: Adds the metrics up over the Learners.
        """
        self._coeff = settings.vf_loss_coeff
        self._clip = settings.vf_clip_param
        self._sharding = sharding
        self._sums = torch.zeros(len(VALUE_METRIC_NAMES), dtype=torch.float64, device=device)

    def loss(
        self,
        values: torch.Tensor,
        columns: RowColumns | None,
        micro_batch: MicroBatch,
        divisor: float,
    ) -> torch.Tensor:
        """Weigh a micro-batch's loss sum for the mini-batch.

        Args:
            values: (B,) with gradient.
            columns: Over all rows of the Learner; None for a Learner without rows.
            micro_batch: Whose rows they are.
            divisor: Global weight of the mini-batch's rows.

        Returns:
            A scalar with gradient.
        """
        if columns is None:
            raise ValueError("A critic needs rows with old_values and value_targets.")
        total, sums = value_loss(values, columns.select(micro_batch.row_indices), clip=self._clip)
        self._sums += sums
        return self._coeff * total / divisor

    def results(self) -> dict[str, float]:
        """Return means over all rows of all Learners: ``vf_loss``, ``vf_clip_fraction``, ..."""
        self._sharding.reduce(self._sums)
        num_rows, *sums = self._sums.tolist()
        means = [value / num_rows if num_rows else 0.0 for value in sums]
        return dict(zip(VALUE_METRIC_NAMES[1:], means, strict=True))


def values_of(
    module: Any, rows: TokenRows, *, micro_batch_tokens: int, forward: ForwardSettings
) -> np.ndarray:
    """Value the states of some rows.

    Args:
        module: A `CausalLMModule` with a critic.
        rows: R rows; their responses are not looked at by the critic, and may be empty.
        micro_batch_tokens: Bound of a micro-batch's tokens.
        forward: Device and precision.

    Returns:
        (R,) float64.
    """
    result = torch.zeros(rows.num_rows, device=forward.device)
    micro_batches = pack_rows(
        rows,
        np.arange(rows.num_rows),
        max_tokens=micro_batch_tokens,
        overhead_tokens=overhead_tokens(forward.device),
    )
    with forward.autocast():
        for micro_batch in micro_batches:
            on_device = micro_batch.to(forward.device)
            result[on_device.row_indices] = module.values(on_device).float()
    return result.cpu().numpy().astype(np.float64)

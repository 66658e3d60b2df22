"""The critic's side of an update: its loss beside the policy's, its metrics, its values before."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rllib_gigpo.credit.token_rows import TokenRows
from rllib_gigpo.learner.settings import autocast
from rllib_gigpo.learner.update_data import overhead_tokens
from rllib_gigpo.learner.update_sums import reduce_over_learners
from rllib_gigpo.loss.packing import MicroBatch, pack_rows
from rllib_gigpo.loss.value_loss import VALUE_METRIC_NAMES, RowColumns, value_loss


class ValueUpdate:
    """Adds up the critic's loss over an update's mini-batches."""

    def __init__(self, config: Any, device: torch.device) -> None:
        """Start an update.

        Args:
            config: With ``vf_loss_coeff``, ``vf_clip_param`` and ``num_learners``.
            device: Of the model.
        """
        self._coeff = config.vf_loss_coeff
        self._clip = config.vf_clip_param
        self._is_distributed = config.num_learners > 1
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
        reduce_over_learners(self._sums, is_distributed=self._is_distributed)
        num_rows, *sums = self._sums.tolist()
        means = [value / num_rows if num_rows else 0.0 for value in sums]
        return dict(zip(VALUE_METRIC_NAMES[1:], means, strict=True))


def values_of(module: Any, rows: TokenRows, config: Any, device: torch.device) -> np.ndarray:
    """Value the states of some rows.

    Args:
        module: A `CausalLMModule` with a critic.
        rows: R rows; their responses are not looked at by the critic, and may be empty.
        config: With ``micro_batch_tokens`` and ``autocast_dtype``.
        device: Of the module.

    Returns:
        (R,) float64.
    """
    result = torch.zeros(rows.num_rows, device=device)
    micro_batches = pack_rows(
        rows,
        np.arange(rows.num_rows),
        max_tokens=config.micro_batch_tokens,
        overhead_tokens=overhead_tokens(device),
    )
    with autocast(config, device):
        for micro_batch in micro_batches:
            on_device = micro_batch.to(device)
            result[on_device.row_indices] = module.values(on_device).float()
    return result.cpu().numpy().astype(np.float64)

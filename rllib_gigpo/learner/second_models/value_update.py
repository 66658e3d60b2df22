"""The critic's part of an update: its loss and metrics, and its values for credit."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.micro_batch import MicroBatch
from rllib_gigpo.layout.row_layout import RowLayout
from rllib_gigpo.learner.scoring import ForwardSettings, memory_told
from rllib_gigpo.learner.sharding.sharding import Sharding
from rllib_gigpo.loss.value_loss import VALUE_METRIC_NAMES, RowColumns, value_loss
from rllib_gigpo.rl_modules.critic_settings import CriticSettings


class ValueUpdate:
    """The critic's loss and metrics over an update's mini-batches."""

    def __init__(
        self, settings: CriticSettings, *, device: torch.device, sharding: Sharding
    ) -> None:
        """Start an update.

        Args:
            settings: The weight and clip of the loss.
            device: The model's device.
            sharding: Sums the metrics over the Learners.
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
        """Return a micro-batch's share of the mini-batch's loss.

        Args:
            values: The rows' values, (B,) with gradient.
            columns: Columns of all the Learner's rows; None for a Learner without rows.
            micro_batch: The micro-batch of the values.
            divisor: The global weight of the mini-batch's rows.

        Returns:
            A scalar with gradient.
        """
        if columns is None:
            raise ValueError("The rows lack old_values and value_targets, which a critic needs.")
        total, sums = value_loss(values, columns.select(micro_batch.row_indices), clip=self._clip)
        self._sums += sums
        return self._coeff * total / divisor

    def results(self) -> dict[str, float]:
        """Return means over all rows of all Learners: ``vf_loss``, ``vf_clip_fraction``, ...

        Without rows there are none.
        """
        self._sharding.reduce(self._sums)
        num_rows, *sums = self._sums.tolist()
        if not num_rows:
            return {}
        means = [value / num_rows for value in sums]
        return dict(zip(VALUE_METRIC_NAMES[1:], means, strict=True))


def values_of(
    module: Any,
    rows: TokenRows,
    *,
    layout: RowLayout,
    sharding: Sharding,
    forward: ForwardSettings,
) -> np.ndarray:
    """Return the critic's values for the states of some rows.

    Args:
        module: A `CausalLMModule` with a critic.
        rows: R rows; the critic ignores their responses, which may be empty.
        layout: How rows become micro-batches.
        sharding: Says how many micro-batches each Learner needs.
        forward: The device and precision.

    Returns:
        The values, (R,) float64.
    """
    result = torch.zeros(rows.num_rows, device=forward.device)
    with forward.autocast():
        (micro_batches,) = sharding.evened([layout.micro_batches(rows, np.arange(rows.num_rows))])
        for micro_batch in micro_batches:
            with memory_told(micro_batch):
                on_device = micro_batch.to(forward.device)
                result[on_device.row_indices] = module.values(on_device).float()
    return result.cpu().numpy().astype(np.float64)

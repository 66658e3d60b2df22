"""One Learner's share of an iteration: micro-batches and per-token columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.micro_batch import MicroBatch
from rllib_gigpo.layout.row_layout import RowLayout
from rllib_gigpo.learner.sharding.sharding import Sharding
from rllib_gigpo.loss.aggregation import LossAggregation
from rllib_gigpo.loss.token_columns import TokenColumns
from rllib_gigpo.loss.value_loss import RowColumns


@dataclass(frozen=True, slots=True)
class UpdateData:
    """The data of the update loop.

    Attributes:
        micro_batches: By mini-batch id, on the CPU; at least one each, perhaps without rows.
        divisors: By mini-batch id, the global divisor of the loss; 0 if no token counts anywhere.
        row_divisors: By mini-batch id, the global weight of its rows, for the critic's loss.
        has_fresh: By mini-batch id, whether it has counted rows of this Learner that the weights
            before the update sampled.
        columns: Columns of this Learner's S response tokens, on its device.
        row_columns: Columns of this Learner's rows, on its device; None without a critic.
        num_rows: Number of this Learner's rows.
        num_tokens: Number of this Learner's tokens, without padding.
    """

    micro_batches: list[list[MicroBatch]]
    divisors: list[float]
    row_divisors: list[float]
    has_fresh: list[bool]
    columns: TokenColumns
    row_columns: RowColumns | None
    num_rows: int
    num_tokens: int

    @property
    def num_positions(self) -> int:
        """Number of positions that the model computes, padding included."""
        return sum(micro_batch.input_ids.numel() for micro_batch in self)

    @property
    def num_computed_tokens(self) -> int:
        """Number of tokens that the model computes; a shared prefix counts once in each tree."""
        return sum(micro_batch.num_tokens for micro_batch in self)

    def __iter__(self) -> Iterator[MicroBatch]:
        """Iterate over all micro-batches."""
        for part in self.micro_batches:
            yield from part

    def columns_of(self, micro_batch: MicroBatch) -> TokenColumns:
        """Return the columns of a micro-batch's response tokens."""
        return self.columns.select(micro_batch.token_indices)

    def with_columns(self, **columns: torch.Tensor) -> UpdateData:
        """Return a copy with some columns of `TokenColumns` replaced, (S,) each."""
        return replace(self, columns=replace(self.columns, **columns))


def prepare_update(
    rows: TokenRows,
    aggregation: LossAggregation,
    *,
    layout: RowLayout,
    sharding: Sharding,
    device: torch.device,
) -> UpdateData:
    """Lay out a Learner's rows and move their columns to its device.

    Args:
        rows: The rows, with the global counts of the mini-batches.
        aggregation: How token losses become one number.
        layout: How rows become micro-batches.
        sharding: Says how many micro-batches each Learner needs.
        device: The model's device.

    Returns:
        The data.
    """
    micro_batches = sharding.evened(
        [
            layout.micro_batches(rows, np.flatnonzero(rows.minibatch_ids == minibatch))
            for minibatch in range(rows.num_minibatches)
        ]
    )
    divisors = [
        aggregation.divisor(token_count=float(token_count), row_count=float(row_count))
        for token_count, row_count in zip(
            rows.minibatch_token_counts, rows.minibatch_row_counts, strict=True
        )
    ]
    return UpdateData(
        micro_batches=micro_batches,
        divisors=divisors,
        row_divisors=rows.minibatch_row_counts.tolist(),
        has_fresh=_has_fresh(rows),
        columns=_columns(rows, aggregation, device),
        row_columns=_row_columns(rows, device),
        num_rows=rows.num_rows,
        num_tokens=len(rows.token_ids),
    )


def _columns(rows: TokenRows, aggregation: LossAggregation, device: torch.device) -> TokenColumns:
    lengths = rows.response_lengths

    def on_device(array: np.ndarray, dtype: type = np.float32) -> torch.Tensor:
        return torch.from_numpy(np.array(array, dtype=dtype)).to(device)

    rollout_logp = on_device(rows.rollout_logp)
    return TokenColumns(
        rollout_logp=rollout_logp,
        old_logp=rollout_logp,
        advantages=on_device(rows.advantages),
        loss_weights=on_device(aggregation.token_weights(rows.weights, lengths)),
        metric_weights=on_device(np.repeat(rows.weights, lengths)),
        row_ids=on_device(np.repeat(np.arange(rows.num_rows), lengths), np.int64),
        fresh_weights=None
        if rows.is_fresh is None
        else on_device(np.repeat(rows.weights * rows.is_fresh, lengths)),
    )


def _has_fresh(rows: TokenRows) -> list[bool]:
    is_counted = (rows.weights > 0) & (rows.response_lengths > 0)
    is_fresh = is_counted if rows.is_fresh is None else is_counted & rows.is_fresh
    found = np.bincount(rows.minibatch_ids[is_fresh], minlength=rows.num_minibatches)
    return [bool(count) for count in found]


def _row_columns(rows: TokenRows, device: torch.device) -> RowColumns | None:
    if rows.old_values is None or rows.value_targets is None:
        return None
    arrays = (rows.old_values, rows.value_targets, rows.weights)
    return RowColumns(*(torch.from_numpy(np.array(array)).to(device) for array in arrays))

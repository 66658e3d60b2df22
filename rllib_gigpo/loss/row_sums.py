"""Sums and means over the tokens of each row."""

from __future__ import annotations

import torch


def sum_per_row(values: torch.Tensor, row_ids: torch.Tensor) -> torch.Tensor:
    """Add up the tokens of each row.

    Args:
        values: (S,).
        row_ids: (S,) int64.

    Returns:
        (S,): each token gets its row's sum.
    """
    rows, inverse = torch.unique(row_ids, return_inverse=True)
    return values.new_zeros(len(rows)).index_add(0, inverse, values)[inverse]


def mean_per_row(values: torch.Tensor, row_ids: torch.Tensor) -> torch.Tensor:
    """Average over the tokens of each row, as `sum_per_row` adds them up."""
    return sum_per_row(values, row_ids) / sum_per_row(torch.ones_like(values), row_ids)

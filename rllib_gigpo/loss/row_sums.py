"""Sums and means over the tokens of each row."""

from __future__ import annotations

from rllib_gigpo.lazy_torch import torch


def sum_per_row(values: torch.Tensor, row_ids: torch.Tensor) -> torch.Tensor:
    """Add up the values of each row's tokens.

    Args:
        values: (S,) One value per token.
        row_ids: (S,) int64, the row of each token.

    Returns:
        (S,) The sum of each token's row.
    """
    rows, inverse = torch.unique(row_ids, return_inverse=True)
    return values.new_zeros(len(rows)).index_add(0, inverse, values)[inverse]


def mean_per_row(values: torch.Tensor, row_ids: torch.Tensor) -> torch.Tensor:
    """Average the values of each row's tokens; see `sum_per_row`."""
    return sum_per_row(values, row_ids) / sum_per_row(torch.ones_like(values), row_ids)

"""The critic's loss: clipped squared error, one value per row."""

from __future__ import annotations

from dataclasses import dataclass

import torch

VALUE_METRIC_NAMES = ("num_rows", "vf_loss", "vf_clip_fraction", "vf_error")


@dataclass(frozen=True, slots=True)
class RowColumns:
    """Per-row inputs, over R rows.

    Attributes:
        old_values: (R,) what the critic said before the update.
        targets: (R,) returns that it should have said.
        weights: (R,) weight of the row.
    """

    old_values: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor

    def select(self, indices: torch.Tensor) -> RowColumns:
        """Take some rows."""
        return RowColumns(self.old_values[indices], self.targets[indices], self.weights[indices])


def value_loss(
    values: torch.Tensor, columns: RowColumns, *, clip: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum the loss of some rows.

    ``max((V - y)², (V_old + clip(V - V_old, ±ε) - y)²)`` (PPO, arXiv 1707.06347, as implemented
    since): the value may not profit from moving further than ε. Without ½, as in veRL.

    Args:
        values: (R,) with gradient.
        columns: The other inputs.
        clip: ε in units of returns, or None.

    Returns:
        The loss sum, and without gradient the weighted sums of `VALUE_METRIC_NAMES`, float64;
        ``vf_error`` is |V - y|.
    """
    error = values - columns.targets
    loss, is_clipped = error.square(), torch.zeros_like(values, dtype=torch.bool)
    if clip is not None:
        moved = columns.old_values + (values - columns.old_values).clamp(-clip, clip)
        clipped = (moved - columns.targets).square()
        is_clipped = (clipped > loss).detach()
        loss = torch.maximum(loss, clipped)
    with torch.no_grad():
        parts = (torch.ones_like(values), loss, is_clipped, error.abs())
        stacked = torch.stack([part.double() for part in parts])
    return (loss * columns.weights).sum(), stacked @ columns.weights.double()

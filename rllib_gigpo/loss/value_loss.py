"""The critic's loss: a clipped squared error, with one value per row."""

from __future__ import annotations

from dataclasses import dataclass

import torch

VALUE_METRIC_NAMES = ("num_rows", "vf_loss", "vf_clip_fraction", "vf_error")


@dataclass(frozen=True, slots=True)
class RowColumns:
    """The per-row inputs of the value loss.

    Attributes:
        old_values: (R,) The critic's values before the update.
        targets: (R,) The returns that the values should match.
        weights: (R,) The weight of each row.
    """

    old_values: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor

    def select(self, indices: torch.Tensor) -> RowColumns:
        """Select some rows."""
        return RowColumns(self.old_values[indices], self.targets[indices], self.weights[indices])


def value_loss(
    values: torch.Tensor, columns: RowColumns, *, clip: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum the value loss over some rows.

    ``max((V - y)², (V_old + clip(V - V_old, ±ε) - y)²)``, as implementations of PPO (arXiv
    1707.06347) clip it: a value gains nothing by moving further than ε. veRL's factor ½ is left
    out.

    Args:
        values: (R,) The critic's values, with gradient.
        columns: The other per-row inputs.
        clip: ε in units of returns; None for no clipping.

    Returns:
        The loss sum, and the weighted sums of `VALUE_METRIC_NAMES`, float64 without gradient;
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

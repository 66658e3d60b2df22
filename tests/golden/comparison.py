"""How far a result lies from what was recorded."""

from __future__ import annotations

import numpy as np


def deviation(found: np.ndarray, recorded: np.ndarray, *, scale: np.ndarray | None = None) -> float:
    """The largest difference, in units of the recorded array's largest entry.

    Args:
        found: What the code gives.
        recorded: What it gave; NaN must be where it was.
        scale: The unit in the place of the largest entry, broadcast to the array; above 0.

    Returns:
        The number; infinity where shapes or NaN differ.
    """
    found, recorded = np.asarray(found, np.float64), np.asarray(recorded, np.float64)
    if found.shape != recorded.shape or (np.isnan(found) != np.isnan(recorded)).any():
        return np.inf
    if scale is None:
        scale = np.nanmax(np.abs(recorded), initial=0.0) or 1.0
    return float(np.nanmax(np.abs(found - recorded) / scale, initial=0.0))


def partition(labels: np.ndarray) -> np.ndarray:
    """Name each group by its first row, so that equal partitions are equal arrays."""
    _, firsts, groups = np.unique(labels, return_index=True, return_inverse=True)
    return firsts[groups]

"""Comparison of results with recordings."""

from __future__ import annotations

import numpy as np


def deviation(found: np.ndarray, recorded: np.ndarray, *, scale: np.ndarray | None = None) -> float:
    """Return the largest difference, in units of the recorded array's largest entry.

    Args:
        found: The array that the code computes.
        recorded: The recorded array; NaN must be in the same places.
        scale: Unit to use instead of the largest entry, broadcast to the array; above 0.

    Returns:
        The deviation; infinity if the shapes or the places of NaN differ.
    """
    found, recorded = np.asarray(found, np.float64), np.asarray(recorded, np.float64)
    if found.shape != recorded.shape or (np.isnan(found) != np.isnan(recorded)).any():
        return np.inf
    if scale is None:
        scale = np.nanmax(np.abs(recorded), initial=0.0) or 1.0
    return float(np.nanmax(np.abs(found - recorded) / scale, initial=0.0))


def partition(labels: np.ndarray) -> np.ndarray:
    """Label each group by its first row, so equal partitions are equal arrays."""
    _, firsts, groups = np.unique(labels, return_index=True, return_inverse=True)
    return firsts[groups]

"""Assigns whole trajectories, or whole groups, to mini-batches of about equal size, at random."""

from __future__ import annotations

import heapq

import numpy as np


def assign_minibatches(
    unit_ids: np.ndarray,
    *,
    num_minibatches: int,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Assign each row to a mini-batch, and all rows of a unit to the same one.

    A unit is a trajectory or a group. Units are shuffled, then dealt out from the heaviest to the
    lightest, each to the lightest mini-batch so far. Chance decides between units of equal weight,
    and the mini-batches differ by at most the weight of one unit. The result depends on ``rng`` and
    the units, not on the order of the rows.

    Args:
        unit_ids: (R,) The trajectory or group of each row, unique within the batch.
        num_minibatches: Optimiser steps per epoch, at most the number of units.
        rng: The source of the shuffle.
        weights: (R,) The weight of each row, for example its tokens; None for 1 each.

    Returns:
        (R,) int64 in [0, num_minibatches); no mini-batch is empty.

    Raises:
        ValueError: ``num_minibatches`` is below 1 or above the number of units, or ``weights`` has
            the wrong length.
    """
    unique, inverse = np.unique(unit_ids, return_inverse=True)
    if not 1 <= num_minibatches <= len(unique):
        raise ValueError(
            f"num_minibatches={num_minibatches} does not fit {len(unique)} trajectories or"
            " groups, because a mini-batch holds whole ones; set it between 1 and their number, or"
            " sample more."
        )
    if weights is not None and np.shape(weights) != inverse.shape:
        raise ValueError(
            f"weights {np.shape(weights)} and unit_ids {inverse.shape} do not match; both need one"
            " entry per row."
        )
    loads = np.bincount(inverse, weights, len(unique))
    return _deal_out(loads, num_minibatches, rng)[inverse]


def _deal_out(loads: np.ndarray, num_minibatches: int, rng: np.random.Generator) -> np.ndarray:
    """Return the mini-batch of each unit, (N,); the heaviest ones are dealt out first."""
    shuffled = rng.permutation(len(loads))
    heaviest_first = shuffled[np.argsort(-loads[shuffled], kind="stable")]
    # Between equal loads, fewer units win, so no mini-batch stays empty.
    heap = [(0.0, 0, int(minibatch)) for minibatch in rng.permutation(num_minibatches)]
    heapq.heapify(heap)
    result = np.empty(len(loads), dtype=np.int64)
    for unit in heaviest_first.tolist():
        load, num_units, minibatch = heap[0]
        result[unit] = minibatch
        heapq.heapreplace(heap, (load + loads[unit], num_units + 1, minibatch))
    return result

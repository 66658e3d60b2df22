"""Assigns whole trajectories to mini-batches of about equal size, at random."""

from __future__ import annotations

import heapq

import numpy as np


def assign_minibatches(
    trajectory_ids: np.ndarray,
    *,
    num_minibatches: int,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Assign each row to a mini-batch, and all rows of a trajectory to the same one.

    Trajectories are shuffled, then dealt out from the heaviest to the lightest, each to the
    lightest mini-batch so far. Chance decides between trajectories of equal weight, and the
    mini-batches differ by at most the weight of one trajectory. The result depends on ``rng`` and
    the trajectories, not on the order of the rows.

    Args:
        trajectory_ids: (R,) Unique within the batch.
        num_minibatches: Optimiser steps per epoch, at most the number of trajectories.
        rng: The source of the shuffle.
        weights: (R,) The weight of each row, for example its tokens; None for 1 each.

    Returns:
        (R,) int64 in [0, num_minibatches); no mini-batch is empty.

    Raises:
        ValueError: ``num_minibatches`` is below 1 or above the number of trajectories, or
            ``weights`` has the wrong length.
    """
    unique, inverse = np.unique(trajectory_ids, return_inverse=True)
    if not 1 <= num_minibatches <= len(unique):
        raise ValueError(
            f"num_minibatches={num_minibatches} does not fit {len(unique)} trajectories, because a"
            " mini-batch holds whole ones; set it between 1 and their number, or sample more."
        )
    if weights is not None and np.shape(weights) != inverse.shape:
        raise ValueError(
            f"weights {np.shape(weights)} and trajectory_ids {inverse.shape} do not match; both"
            " need one entry per row."
        )
    loads = np.bincount(inverse, weights, len(unique))
    return _deal_out(loads, num_minibatches, rng)[inverse]


def _deal_out(loads: np.ndarray, num_minibatches: int, rng: np.random.Generator) -> np.ndarray:
    """Return the mini-batch of each trajectory, (N,); the heaviest ones are dealt out first."""
    shuffled = rng.permutation(len(loads))
    heaviest_first = shuffled[np.argsort(-loads[shuffled], kind="stable")]
    # Between equal loads, fewer trajectories win, so no mini-batch stays empty.
    heap = [(0.0, 0, int(minibatch)) for minibatch in rng.permutation(num_minibatches)]
    heapq.heapify(heap)
    result = np.empty(len(loads), dtype=np.int64)
    for trajectory in heaviest_first.tolist():
        load, num_trajectories, minibatch = heap[0]
        result[trajectory] = minibatch
        heapq.heapreplace(heap, (load + loads[trajectory], num_trajectories + 1, minibatch))
    return result

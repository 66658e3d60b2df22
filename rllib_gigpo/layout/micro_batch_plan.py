"""Splits sequences into micro-batches with little padding and few passes."""

from __future__ import annotations

import numpy as np


def plan_micro_batches(
    lengths: np.ndarray, *, max_tokens: int, overhead_tokens: int
) -> list[np.ndarray]:
    """Split sequences into micro-batches with little padding and few passes.

    For the sequences sorted by length, minimise ``Σ (B·L + overhead)`` subject to
    ``B·L <= max_tokens`` by dynamic programming: cost(j) = min_i cost(i) + (j - i)·length_j +
    overhead.

    Args:
        lengths: (K,) int, the tokens of each sequence.
        max_tokens: Token budget of a micro-batch, including padding; a single sequence that is
            longer gets its own micro-batch.
        overhead_tokens: Cost of one more micro-batch, in tokens. A pass costs a tiny model on two
            CPU cores the time of about 100 tokens, and a GPU that of one or two thousand.

    Returns:
        Arrays of indices into ``lengths``, shortest sequences first.

    Raises:
        ValueError: ``max_tokens`` is not positive.
    """
    if max_tokens < 1:
        raise ValueError(f"max_tokens={max_tokens} must be at least 1.")
    order = np.argsort(lengths, kind="stable")
    ordered = np.asarray(lengths, dtype=np.int64)[order]
    costs = np.zeros(len(order) + 1)
    starts = np.zeros(len(order) + 1, dtype=np.int64)
    for stop in range(1, len(order) + 1):
        longest = max(int(ordered[stop - 1]), 1)
        first = max(0, stop - max(1, max_tokens // longest))
        candidates = costs[first:stop] + (stop - np.arange(first, stop)) * longest
        best = int(candidates.argmin())
        costs[stop] = candidates[best] + overhead_tokens
        starts[stop] = first + best
    return [order[start:stop] for start, stop in walk_back(starts)]


def walk_back(starts: np.ndarray) -> list[tuple[int, int]]:
    """Return the parts of an optimal split, in order.

    Args:
        starts: (K + 1,) int, where the last part begins if the split stops at each place.

    Returns:
        (start, stop) of each part.
    """
    parts = []
    stop = len(starts) - 1
    while stop > 0:
        parts.append((int(starts[stop]), stop))
        stop = parts[-1][0]
    return parts[::-1]

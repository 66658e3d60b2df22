"""Splits rows over the Learners: by whole groups, whose rows share prefixes, or one by one."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.row_tree import sort_rows

# A unit may exceed a Learner's even share of a mini-batch by this factor before it is cut.
_LARGEST_UNIT = 1.25


def share_ids(rows: TokenRows, num_shares: int) -> np.ndarray:
    """Return the share of each row, balanced by the tokens that are computed.

    Learners synchronise after every mini-batch, so each mini-batch is balanced separately. The
    largest units are assigned first, each to the share with the fewest tokens of its mini-batch. A
    unit is a row; or, if the rows have group ids, the rows of a group, whose tokens are those of
    its prefix tree. A group that is too large for that is cut between rows that share least.

    Args:
        rows: The rows.
        num_shares: The number of shares; some may get no rows.

    Returns:
        (R,) int64 in [0, num_shares).

    Raises:
        ValueError: ``num_shares`` is below 1.
    """
    if num_shares < 1:
        raise ValueError(f"num_shares={num_shares} must be at least 1.")
    result = np.zeros(rows.num_rows, dtype=np.int64)
    if num_shares == 1:
        return result
    totals = [0] * num_shares
    for minibatch in range(rows.num_minibatches):
        units = _units(rows, np.flatnonzero(rows.minibatch_ids == minibatch), num_shares)
        # Between equal loads in this mini-batch, the share with fewer tokens in all wins.
        heap = [(0, total, share) for share, total in enumerate(totals)]
        heapq.heapify(heap)
        for size, members in sorted(units, key=lambda unit: -unit[0]):
            load, total, share = heap[0]
            heapq.heapreplace(heap, (load + size, total + size, share))
            result[members] = share
        for _, total, share in heap:
            totals[share] = total
    return result


def split_rows(rows: TokenRows, num_shares: int) -> list[TokenRows]:
    """Split rows into shares; each row is in exactly one, and keeps its place in the order.

    See `share_ids` for the arguments and errors.
    """
    ids = share_ids(rows, num_shares)
    return [rows] if num_shares == 1 else [rows.select(ids == k) for k in range(num_shares)]


def _units(rows: TokenRows, row_ids: np.ndarray, num_shares: int) -> list[tuple[int, Any]]:
    """Return (tokens, row ids) of each unit of a mini-batch."""
    if rows.group_ids is None:
        return list(zip(rows.row_lengths[row_ids].tolist(), row_ids.tolist(), strict=True))
    group_ids = rows.group_ids[row_ids]
    groups = [
        _ordered(rows, row_ids[group_ids == group]) for group in np.unique(group_ids).tolist()
    ]
    largest = _LARGEST_UNIT * sum(int(sizes.sum()) for _, sizes in groups) / num_shares
    return [unit for group in groups for unit in _cut(*group, largest)]


def _ordered(rows: TokenRows, row_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort a group's rows; return their ids and the tokens that each adds to the tree."""
    starts, lengths = rows.row_offsets[row_ids], rows.row_lengths[row_ids]
    tokens = [rows.token_ids[i : i + n] for i, n in zip(starts, lengths, strict=True)]
    order, shared = sort_rows(tokens)
    return row_ids[order], lengths[order] - shared


def _cut(
    row_ids: np.ndarray, sizes: np.ndarray, largest: float
) -> Sequence[tuple[int, np.ndarray]]:
    """Halve a group until no part exceeds ``largest`` tokens, or is a single row."""
    total = int(sizes.sum())
    if total <= largest or len(row_ids) == 1:
        return [(total, row_ids)]
    # Of the places in the middle third, the row that shares least with the one before.
    done = np.cumsum(sizes)[:-1]
    is_middle = np.abs(done - total / 2) <= max(total / 6, np.abs(done - total / 2).min())
    place = 1 + int(np.where(is_middle, sizes[1:], -1).argmax())
    return [
        *_cut(row_ids[:place], sizes[:place], largest),
        *_cut(row_ids[place:], sizes[place:], largest),
    ]

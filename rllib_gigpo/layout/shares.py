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
# A cut is made if the larger part has at most this share of the tokens.
_USEFUL_CUT = 0.9


def share_ids(rows: TokenRows, num_shares: int) -> np.ndarray:
    """Return the share of each row, balanced by the tokens that are computed.

    Learners synchronise after every mini-batch, so each mini-batch is balanced separately. The
    largest units are assigned first, each to the share with the fewest tokens of its mini-batch. A
    unit is a row; or, if the rows have group ids, the rows of a group, whose tokens are those of
    its prefix tree. A group that is too large for that is cut where it costs least.

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
    identities = rows.identities()
    for minibatch in range(rows.num_minibatches):
        members = np.flatnonzero(rows.minibatch_ids == minibatch)
        units = _units(rows, identities, members, num_shares)
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


def _units(
    rows: TokenRows, identities: np.ndarray, row_ids: np.ndarray, num_shares: int
) -> list[tuple[int, Any]]:
    """Return (tokens, row ids) of each unit of a mini-batch."""
    if rows.group_ids is None:
        return list(zip(rows.row_lengths[row_ids].tolist(), row_ids.tolist(), strict=True))
    group_ids = rows.group_ids[row_ids]
    groups = [
        _ordered(rows, identities, row_ids[group_ids == group])
        for group in np.unique(group_ids).tolist()
    ]
    total = sum(int((lengths - shared).sum()) for _, lengths, shared in groups)
    return [unit for group in groups for unit in _cut(*group, _LARGEST_UNIT * total / num_shares)]


def _ordered(
    rows: TokenRows, identities: np.ndarray, row_ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort a group's rows; return their ids, their tokens, and how many the row before has, too."""
    starts, lengths = rows.row_offsets[row_ids], rows.row_lengths[row_ids]
    tokens = [identities[i : i + n] for i, n in zip(starts, lengths, strict=True)]
    order, shared = sort_rows(tokens)
    return row_ids[order], lengths[order], shared


def _cut(
    row_ids: np.ndarray, lengths: np.ndarray, shared: np.ndarray, largest: float
) -> Sequence[tuple[int, np.ndarray]]:
    """Cut a group in two until no part exceeds ``largest`` tokens, or a cut no longer helps."""
    done = lengths[0] + np.cumsum((lengths - shared)[1:])
    total = int(done[-1]) if len(done) else int(lengths[0])
    if total <= largest or len(row_ids) == 1:
        return [(total, row_ids)]
    # The second part computes again what its first row shares with the one before.
    before = np.concatenate([lengths[:1], done[:-1]])
    larger_parts = np.maximum(before, total - before + shared[1:])
    place = 1 + int(larger_parts.argmin())
    if larger_parts[place - 1] > _USEFUL_CUT * total:
        return [(total, row_ids)]
    parts = (slice(place), slice(place, None))
    return [
        unit for part in parts for unit in _cut(row_ids[part], lengths[part], shared[part], largest)
    ]

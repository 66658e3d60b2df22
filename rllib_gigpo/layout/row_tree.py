"""Trees of token rows: each shared prefix once, in depth-first order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class RowTree:
    """Some rows merged into one sequence.

    Attributes:
        token_ids: (N,) int64, in depth-first order.
        subtree_ends: (N,) int64, one past the last descendant of each token. It says everything
            about the tree: q sees k iff ``k <= q < subtree_ends[k]``.
        paths: One (length,) int64 array per row, the places of its tokens in the sequence.
    """

    token_ids: np.ndarray
    subtree_ends: np.ndarray
    paths: list[np.ndarray]


def sort_rows(rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Sort rows so that those with a common prefix are neighbours.

    Args:
        rows: K int arrays of tokens.

    Returns:
        The order (K,), and the number of leading tokens that each row in that order shares with
        the one before it, (K,) int64; 0 for the first.
    """
    keys = [np.asarray(row).astype(">i4").tobytes() for row in rows]
    order = np.array(sorted(range(len(rows)), key=keys.__getitem__), dtype=np.int64)
    shared = np.zeros(len(rows), dtype=np.int64)
    for place in range(1, len(rows)):
        shared[place] = _common_prefix(rows[order[place - 1]], rows[order[place]])
    return order, shared


def grow_tree(rows: Sequence[np.ndarray], shared: np.ndarray) -> RowTree:
    """Merge sorted rows into a tree.

    Args:
        rows: K int arrays of tokens, in the order of `sort_rows`.
        shared: (K,) int, the tokens that each row shares with the one before; the first is ignored.

    Returns:
        The tree, with a path for each row.
    """
    path = np.zeros(max(map(len, rows)), dtype=np.int64)
    parts, paths, ends = [], [], np.zeros(sum(map(len, rows)), dtype=np.int64)
    size = open_depth = 0
    for place, row in enumerate(rows):
        depth = 0 if place == 0 else int(shared[place])
        ends[path[depth:open_depth]] = size  # the branch of the row before ends here
        num_new = len(row) - depth
        path[depth : len(row)] = np.arange(size, size + num_new)
        parts.append(row[depth:])
        paths.append(path[: len(row)].copy())
        size, open_depth = size + num_new, len(row)
    ends[path[:open_depth]] = size
    return RowTree(np.concatenate(parts).astype(np.int64), ends[:size], paths)


def _common_prefix(one: np.ndarray, other: np.ndarray) -> int:
    length = min(len(one), len(other))
    is_other = one[:length] != other[:length]
    return int(is_other.argmax()) if is_other.any() else length

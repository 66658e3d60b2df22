"""`PrefixTrees`: rows merged into trees, so a prefix that rows share is computed once.

Step-wise rows repeat themselves: the rows of a group share their instructions, and rows from the
same state share their whole prompt. In a tree, equal rows exist once, and so do equal prompts and
equal beginnings. A token's position is its depth, and it sees its ancestors only, so the log-probs
and the gradients are those of separate rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.image_places import image_places
from rllib_gigpo.layout.micro_batch import SDPA, MicroBatch
from rllib_gigpo.layout.micro_batch_plan import plan_micro_batches, walk_back
from rllib_gigpo.layout.row_layout import LayoutCosts, LayoutPlan, RowLayout, check_prompts
from rllib_gigpo.layout.row_tree import RowTree, grow_tree, sort_rows


@dataclass(frozen=True, slots=True)
class TreeLimits:
    """What a model and a device allow.

    Attributes:
        max_tree_tokens: Largest number of tokens of a tree with a mask, which takes its square.
        max_depth: Longest row for which sharing is exact; None for no limit.
        rounded_to: Lengths to which trees are padded, ascending; a longer tree keeps its length.
            A kernel that is compiled for each length wants few of them.
        attention: The attention kernel; `SDPA` takes a dense mask, `FLEX` skips what it hides.
    """

    max_tree_tokens: int = 2048
    max_depth: int | None = None
    rounded_to: tuple[int, ...] = ()
    attention: str = SDPA

    def padded(self, length: int) -> int:
        """Return the length to which a tree of ``length`` tokens is padded."""
        return next((size for size in self.rounded_to if size >= length), length)


class PrefixTrees(RowLayout):
    """Rows with common prefixes as trees: B trees of a micro-batch, padded to the largest."""

    def __init__(self, costs: LayoutCosts, limits: TreeLimits, *, max_tokens: int) -> None:
        """Make micro-batches of at most ``max_tokens`` positions, or of a single longer row."""
        self._costs = costs
        self._limits = limits
        self._max_tokens = max_tokens

    def plan(self, rows: TokenRows, row_ids: np.ndarray) -> LayoutPlan:
        """Plan trees, then micro-batches of trees; see the base class."""
        check_prompts(rows, row_ids)
        if not len(row_ids):
            return LayoutPlan(0.0, list)
        limit = self._limits.max_depth
        if limit is not None and int(rows.row_lengths[row_ids].max()) > limit:
            return LayoutPlan(float("inf"), list)
        ordered = _OrderedRows.of(rows, row_ids)
        trees = self._split(ordered)
        is_chain = np.array([ordered.is_chain(*tree) for tree in trees])
        passes, cost = self._passes(ordered, trees, is_chain)
        if is_chain.any():
            # Chains may join masked trees: fewer passes may be worth more than causal kernels.
            joined = self._passes(ordered, trees, np.zeros_like(is_chain))
            passes, cost = min((passes, cost), joined, key=lambda plan: plan[1])
        return LayoutPlan(
            float(cost + self._costs.prediction * ordered.num_predictions),
            lambda: [self._micro_batch(rows, ordered, one) for one in passes],
        )

    def _passes(
        self, ordered: _OrderedRows, trees: list[tuple[int, int]], is_causal: np.ndarray
    ) -> tuple[list[_Pass], float]:
        """Plan the passes over causal trees and over masked ones; return them and their cost."""
        passes, cost = list[_Pass](), 0.0
        for causal in (False, True):
            chosen = [tree for tree, is_so in zip(trees, is_causal, strict=True) if is_so == causal]
            sizes = np.array([ordered.tree_size(*tree) for tree in chosen], dtype=np.int64)
            if not causal:
                sizes = np.array([self._limits.padded(size) for size in sizes.tolist()])
            for part in plan_micro_batches(
                sizes, max_tokens=self._max_tokens, overhead_tokens=self._costs.overhead
            ):
                length = int(sizes[part].max())
                passes.append(_Pass([chosen[tree] for tree in part], length, causal))
                pair = self._costs.pair / 2 if causal else self._costs.masked_pair
                cost += len(part) * (length + pair * length**2) + self._costs.overhead
        return passes, cost

    def _micro_batch(self, rows: TokenRows, ordered: _OrderedRows, one: _Pass) -> MicroBatch:
        row_ids = np.concatenate([ordered.row_ids[slice(*tree)] for tree in one.trees])
        trees = [ordered.grown(*tree) for tree in one.trees]
        attention = None if one.is_causal else self._limits.attention
        return _micro_batch(rows, trees, row_ids, length=one.length, attention=attention)

    def _split(self, ordered: _OrderedRows) -> list[tuple[int, int]]:
        """Cut the sorted rows into trees of the lowest total cost, as (start, stop) of each.

        A small tree computes the prefix again that it shares with the one before; a large one has
        a large mask. Dynamic programming: cost(j) = min_i cost(i) + cost of the tree of i..j-1.
        """
        # The longest row is computed whole in any case, so a tree may be as large.
        longest = int(ordered.lengths.max())
        largest = min(self._limits.max_tree_tokens, max(self._max_tokens, longest))
        num_rows = len(ordered.lengths)
        costs, starts = np.zeros(num_rows + 1), np.zeros(num_rows + 1, dtype=np.int64)
        first = 0
        for stop in range(1, num_rows + 1):
            sizes = ordered.tree_size(np.arange(first, stop), stop)
            is_chain = sizes == ordered.longest(first, stop)
            # A smaller start makes a larger tree; a chain, such as one row, is allowed at any size.
            skipped = int(((sizes > largest) & ~is_chain).sum())
            first += skipped
            candidates = costs[first:stop] + self._tree_costs(sizes, is_chain)[skipped:]
            best = int(candidates.argmin())
            costs[stop], starts[stop] = candidates[best], first + best
        return walk_back(starts)

    def _tree_costs(self, sizes: np.ndarray, is_chain: np.ndarray) -> np.ndarray:
        pair = np.where(is_chain, self._costs.pair / 2, self._costs.masked_pair)
        return sizes + pair * np.square(sizes, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Pass:
    """Trees that make up a micro-batch.

    Attributes:
        trees: (start, stop) of the rows of each.
        length: Number of positions of each, padding included.
        is_causal: Whether all are chains, whose tokens see all tokens before them.
    """

    trees: list[tuple[int, int]]
    length: int
    is_causal: bool


@dataclass(frozen=True, slots=True, eq=False)
class _OrderedRows:
    """Rows in an order in which those with common prefixes are neighbours.

    A row's last response token predicts nothing, so it is not computed.

    Attributes:
        row_ids: (K,) int64.
        tokens: K int arrays, the tokens that are computed.
        lengths: (K,) int64, their number.
        shared: (K,) int64, how many of them the row before has, too; 0 for the first row.
        offsets: (K + 1,) int64, running sums of ``lengths - shared``.
        num_predictions: Number of different predictions in all rows.
    """

    row_ids: np.ndarray
    tokens: list[np.ndarray]
    lengths: np.ndarray
    shared: np.ndarray
    offsets: np.ndarray
    num_predictions: int

    @classmethod
    def of(cls, rows: TokenRows, row_ids: np.ndarray) -> _OrderedRows:
        starts, all_lengths = rows.row_offsets[row_ids], rows.row_lengths[row_ids]
        spans = [
            slice(start, start + length)
            for start, length in zip(starts.tolist(), all_lengths.tolist(), strict=True)
        ]
        whole, identities = [rows.token_ids[span] for span in spans], rows.identities()
        order, shared = sort_rows([identities[span] for span in spans])
        row_ids, all_lengths = row_ids[order], all_lengths[order]
        prompts = rows.prompt_lengths[row_ids].astype(np.int64)
        lengths = np.maximum(prompts, all_lengths - 1)
        before = np.concatenate([[0], lengths[:-1]])
        num_predictions = np.maximum(all_lengths - np.maximum(prompts, shared), 0).sum()
        shared = np.minimum(shared, np.minimum(lengths, before))
        return cls(
            row_ids=row_ids,
            tokens=[whole[row][:length] for row, length in zip(order, lengths, strict=True)],
            lengths=lengths,
            shared=shared,
            offsets=np.concatenate([[0], np.cumsum(lengths - shared)]),
            num_predictions=int(num_predictions),
        )

    def tree_size(self, start: np.ndarray | int, stop: int) -> np.ndarray:
        """Return the number of tokens of the tree of the rows ``start``..``stop`` - 1."""
        return self.lengths[start] + self.offsets[stop] - self.offsets[np.add(start, 1)]

    def longest(self, start: int, stop: int) -> np.ndarray:
        """Return the longest row of ``start``..``stop`` - 1, of ``start`` + 1..., and so on."""
        return np.maximum.accumulate(self.lengths[start:stop][::-1])[::-1]

    def is_chain(self, start: int, stop: int) -> bool:
        """Return whether each of these rows is a beginning of the longest, as in a conversation."""
        return bool(self.tree_size(start, stop) == self.longest(start, stop)[0])

    def grown(self, start: int, stop: int) -> RowTree:
        return grow_tree(self.tokens[start:stop], self.shared[start:stop])


def _micro_batch(
    rows: TokenRows,
    trees: list[RowTree],
    row_ids: np.ndarray,
    *,
    length: int,
    attention: str | None,
) -> MicroBatch:
    """Pad trees to ``length`` tokens; ``row_ids`` are the rows of all trees, tree after tree.

    Without ``attention`` the trees are chains, for the model's own causal attention.
    """
    input_ids = np.zeros((len(trees), length), dtype=np.int64)
    # A token of the padding sees itself only.
    subtree_ends = np.tile(np.arange(1, length + 1), (len(trees), 1))
    paths = []
    for index, tree in enumerate(trees):
        size = len(tree.token_ids)
        input_ids[index, :size] = tree.token_ids
        subtree_ends[index, :size] = tree.subtree_ends
        paths += [path + index * length for path in tree.paths]
    prompts, lengths = rows.prompt_lengths[row_ids], rows.response_lengths[row_ids]
    starts, token_starts = rows.row_offsets[row_ids], rows.response_offsets[row_ids]
    positions = np.concatenate(
        [path[n - 1 : n - 1 + m] for path, n, m in zip(paths, prompts, lengths, strict=True)]
    )
    targets = np.concatenate(
        [
            rows.token_ids[i + n : i + n + m]
            for i, n, m in zip(starts, prompts, lengths, strict=True)
        ]
    ).astype(np.int64)
    # Equal predictions are made once: the same token after the same path.
    unique, score_indices = np.unique(np.stack([positions, targets]), axis=1, return_inverse=True)
    return MicroBatch(
        input_ids=torch.from_numpy(input_ids),
        logit_positions=torch.from_numpy(unique[0].copy()),
        targets=torch.from_numpy(unique[1].copy()),
        token_indices=torch.from_numpy(
            np.concatenate(
                [np.arange(i, i + m) for i, m in zip(token_starts, lengths, strict=True)]
            )
        ),
        state_positions=torch.from_numpy(
            np.array([path[n - 1] for path, n in zip(paths, prompts, strict=True)])
        ),
        row_indices=torch.from_numpy(row_ids.astype(np.int64)),
        num_tokens=sum(len(tree.token_ids) for tree in trees),
        score_indices=torch.from_numpy(score_indices.reshape(-1)),
        subtree_ends=None if attention is None else torch.from_numpy(subtree_ends),
        tree_attention=attention or SDPA,
        images=None if rows.images is None else image_places(rows, row_ids, paths),
    )

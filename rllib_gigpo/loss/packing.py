"""Token rows to micro-batches within a token budget: sorted by length, padded on the right.

A causal model never looks at what stands to the right of a token, so right padding needs no
attention mask, and the fast causal kernels stay in use on the CPU and on GPUs. Rows of similar
length share a micro-batch, so that little is padded. One block-diagonal mask over concatenated rows
would cost time quadratic in the budget instead.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch

from rllib_gigpo.batch.token_rows import TokenRows


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Rows of one forward and backward pass.

    Attributes:
        input_ids: (B, L) int64, each row's prompt and response, then padding.
        logit_positions: (S,) int64 into the B·L positions: where each response token is predicted.
        targets: (S,) int64, the response tokens.
        token_indices: (S,) int64 into the response tokens of the rows that were packed, for
            per-token columns such as ``rollout_logp``.
        state_positions: (B,) int64 into the B·L positions: the last token of each row's prompt,
            where a critic reads the state.
        row_indices: (B,) int64 into the rows that were packed, for per-row columns.
    """

    input_ids: torch.Tensor
    logit_positions: torch.Tensor
    targets: torch.Tensor
    token_indices: torch.Tensor
    state_positions: torch.Tensor
    row_indices: torch.Tensor

    def to(self, device: torch.device | str) -> "MicroBatch":
        """Return the same micro-batch on ``device``."""
        return MicroBatch(
            *(getattr(self, field.name).to(device, non_blocking=True) for field in fields(self))
        )


def pack_rows(
    rows: TokenRows, row_ids: np.ndarray, *, max_tokens: int, overhead_tokens: int = 256
) -> list[MicroBatch]:
    """Pack some rows into micro-batches.

    Args:
        rows: All rows.
        row_ids: (K,) int, which rows to pack; may be empty.
        max_tokens: Largest B·L. A longer single row makes a micro-batch of its own.
        overhead_tokens: What one more micro-batch costs, in tokens; see `plan_micro_batches`.

    Returns:
        Micro-batches that hold each row once.

    Raises:
        ValueError: If a row has no prompt, so that nothing predicts its first response token.
    """
    if (rows.prompt_lengths[row_ids] < 1).any():
        row = int(row_ids[rows.prompt_lengths[row_ids].argmin()])
        raise ValueError(f"Row {row} has no prompt token; a row needs at least one to be scored.")
    plan = plan_micro_batches(
        rows.row_lengths[row_ids], max_tokens=max_tokens, overhead_tokens=overhead_tokens
    )
    return [_micro_batch(rows, row_ids[part]) for part in plan]


def plan_micro_batches(
    lengths: np.ndarray, *, max_tokens: int, overhead_tokens: int
) -> list[np.ndarray]:
    """Split rows into micro-batches with the least padding and the fewest passes.

    Over the rows sorted by length it minimises ``Σ (B·L + overhead)`` where ``B·L <= max_tokens``,
    by dynamic programming: cost(j) = min_i cost(i) + (j - i)·length_j + overhead.

    Args:
        lengths: (K,) int, tokens of each row.
        max_tokens: Budget of a micro-batch, padding included.
        overhead_tokens: What one more micro-batch costs, in tokens. On two CPU cores a tiny model
            loses the time of about 100 tokens per pass, a GPU that of one or two thousand.

    Returns:
        Arrays of indices into ``lengths``, shortest rows first.

    Raises:
        ValueError: If ``max_tokens`` is not positive.
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
    return _walk_back(order, starts)


def empty_micro_batch() -> MicroBatch:
    """Return one token and no response: lets a rank without rows take part in a backward pass."""
    none = torch.zeros(0, dtype=torch.int64)
    return MicroBatch(torch.zeros(1, 1, dtype=torch.int64), none, none, none, none, none)


def _walk_back(order: np.ndarray, starts: np.ndarray) -> list[np.ndarray]:
    parts = []
    stop = len(order)
    while stop > 0:
        parts.append(order[starts[stop] : stop])
        stop = int(starts[stop])
    return parts[::-1]


def _micro_batch(rows: TokenRows, row_ids: np.ndarray) -> MicroBatch:
    prompt_lengths = rows.prompt_lengths[row_ids, None].astype(np.int64)
    lengths = rows.row_lengths[row_ids, None]
    columns = np.arange(lengths.max())
    is_token = columns < lengths
    is_response = is_token & (columns >= prompt_lengths)
    input_ids = np.zeros(is_token.shape, dtype=np.int64)
    input_ids[is_token] = rows.token_ids[(rows.row_offsets[row_ids, None] + columns)[is_token]]
    indices = rows.response_offsets[row_ids, None] + columns - prompt_lengths
    return MicroBatch(
        input_ids=torch.from_numpy(input_ids),
        # The hidden state of one token predicts the next; row-major order keeps them in one row
        # because a prompt has at least one token.
        logit_positions=torch.from_numpy(np.flatnonzero(is_response) - 1),
        targets=torch.from_numpy(input_ids[is_response]),
        token_indices=torch.from_numpy(indices[is_response]),
        state_positions=torch.from_numpy(
            np.arange(len(row_ids)) * is_token.shape[1] + prompt_lengths[:, 0] - 1
        ),
        row_indices=torch.from_numpy(np.array(row_ids, dtype=np.int64)),
    )

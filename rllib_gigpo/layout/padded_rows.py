"""`PaddedRows`: rows sorted by length and padded on the right.

A causal model never looks to the right of a token, so right padding needs no attention mask, and
the fast causal kernels apply on CPUs and GPUs. Rows of similar length share a micro-batch, which
keeps padding low. The alternative, a block-diagonal mask over concatenated rows, would take time
quadratic in the budget.
"""

from __future__ import annotations

import numpy as np
import torch

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.image_places import image_places
from rllib_gigpo.layout.micro_batch import MicroBatch
from rllib_gigpo.layout.micro_batch_plan import plan_micro_batches
from rllib_gigpo.layout.row_layout import LayoutCosts, LayoutPlan, RowLayout, check_prompts


class PaddedRows(RowLayout):
    """Each row alone: B rows of a micro-batch, padded to the longest one."""

    def __init__(self, costs: LayoutCosts, *, max_tokens: int) -> None:
        """Make micro-batches of at most ``max_tokens`` positions, or of a single longer row."""
        self._costs = costs
        self._max_tokens = max_tokens

    def plan(self, rows: TokenRows, row_ids: np.ndarray) -> LayoutPlan:
        """Plan micro-batches with little padding; see the base class."""
        check_prompts(rows, row_ids)
        lengths = rows.row_lengths[row_ids]
        parts = plan_micro_batches(
            lengths, max_tokens=self._max_tokens, overhead_tokens=self._costs.overhead
        )
        num_predictions = int(rows.response_lengths[row_ids].sum())
        cost = self._costs.prediction * num_predictions + sum(
            self._pass_cost(len(part), int(lengths[part].max())) for part in parts
        )
        return LayoutPlan(cost, lambda: [_micro_batch(rows, row_ids[part]) for part in parts])

    def _pass_cost(self, num_rows: int, longest: int) -> float:
        pairs = num_rows * longest * longest / 2
        return num_rows * longest + self._costs.pair * pairs + self._costs.overhead


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
        # The hidden state of a token predicts the next one. Both are in the same row, because
        # every prompt has at least one token.
        logit_positions=torch.from_numpy(np.flatnonzero(is_response) - 1),
        targets=torch.from_numpy(input_ids[is_response]),
        token_indices=torch.from_numpy(indices[is_response]),
        state_positions=torch.from_numpy(
            np.arange(len(row_ids)) * is_token.shape[1] + prompt_lengths[:, 0] - 1
        ),
        row_indices=torch.from_numpy(np.array(row_ids, dtype=np.int64)),
        num_tokens=int(is_token.sum()),
        images=image_places(rows, row_ids, list(np.arange(is_token.size).reshape(is_token.shape)))
        if rows.images is not None
        else None,
    )

"""Advantages -> token rows: what the Learners get, each row with its mini-batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.credit.minibatches import assign_minibatches
from rllib_gigpo.credit.token_rows import TokenRows
from rllib_gigpo.env_runner.records import step_outputs


class AssembleTokenRows(ConnectorV2):
    """Reads ADVANTAGES and the episodes' tokens, writes TOKEN_ROWS.

    ROW_WEIGHTS, VALUES and VALUE_TARGETS go into the rows where they are given.

    Mini-batches hold whole trajectories, shuffled by the seed and the iteration, so that a run that
    was resumed makes the same ones.
    """

    def __init__(self, *, num_minibatches: int, seed: int | None, **kwargs: Any) -> None:
        """Set the optimiser steps per epoch, and the seed of the shuffle."""
        super().__init__(**kwargs)
        self._num_minibatches = num_minibatches
        self._seed = seed or 0

    def __call__(
        self,
        *,
        batch: dict[str, Any],
        episodes: list[Any],
        shared_data: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Lay the batch out for the Learners."""
        iteration = (shared_data or {}).get("iteration", 0)
        trajectory_ids = batch[columns.TRAJECTORY_IDS]
        num_minibatches = min(self._num_minibatches, len(episodes))
        batch[columns.TOKEN_ROWS] = TokenRows.from_rows(
            step_outputs(episodes, columns.PROMPT_TOKEN_IDS),
            step_outputs(episodes, columns.RESPONSE_TOKEN_IDS),
            rollout_logp=step_outputs(episodes, columns.ROLLOUT_LOGP),
            advantages=batch[columns.ADVANTAGES],
            minibatch_ids=assign_minibatches(
                trajectory_ids,
                num_minibatches=num_minibatches,
                rng=np.random.default_rng([self._seed, iteration]),
                weights=batch[columns.RESPONSE_LENGTHS],
            ),
            num_minibatches=num_minibatches,
            weights=batch.get(columns.ROW_WEIGHTS),
            old_values=batch.get(columns.VALUES),
            value_targets=batch.get(columns.VALUE_TARGETS),
        )
        return batch

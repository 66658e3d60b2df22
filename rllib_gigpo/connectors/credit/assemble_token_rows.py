"""Advantages -> token rows: the training batch of the Learners, each row with its mini-batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.batch.minibatches import assign_minibatches
from rllib_gigpo.batch.step_record import StepRecord, step_records
from rllib_gigpo.batch.token_rows import TokenRows


class AssembleTokenRows(ConnectorV2):
    """Connector that reads ADVANTAGES and the episodes' tokens, and writes TOKEN_ROWS.

    The rows include ROW_WEIGHTS, VALUES and VALUE_TARGETS if these columns exist. A row is fresh if
    the shared data's policy version sampled all its tokens.

    Mini-batches hold whole trajectories. The seed and the iteration determine the shuffle, so a
    resumed run makes the same mini-batches.
    """

    def __init__(self, *, num_minibatches: int, seed: int | None, **kwargs: Any) -> None:
        """Store the optimiser steps per epoch and the seed of the shuffle."""
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
        shared_data = shared_data or {}
        iteration, version = shared_data.get("iteration", 0), shared_data.get("policy_version")
        trajectory_ids = batch[columns.TRAJECTORY_IDS]
        num_minibatches = min(self._num_minibatches, len(episodes))
        records = step_records(episodes)
        batch[columns.TOKEN_ROWS] = TokenRows.from_rows(
            [record.prompt_token_ids for record in records],
            [record.response_token_ids for record in records],
            rollout_logp=[record.rollout_logp for record in records],
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
            is_fresh=_is_fresh(records, version),
        )
        return batch


def _is_fresh(records: Sequence[StepRecord], version: int | None) -> np.ndarray | None:
    """Return (R,) bool, which rows a policy version sampled; None if the version is unknown."""
    if version is None:
        return None
    return np.array([record.policy_version == version for record in records], dtype=bool)

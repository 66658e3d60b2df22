"""Advantages -> token rows: the training batch of the Learners, each row with its mini-batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.batch.minibatches import assign_minibatches
from rllib_gigpo.batch.own_rows import OwnRows
from rllib_gigpo.batch.step_record import StepRecord, step_records
from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.media.row_images import RowImages


class AssembleTokenRows(ConnectorV2):
    """Connector that reads ADVANTAGES and the episodes' tokens, and writes TOKEN_ROWS.

    Rows that a fork repeated are left out. The rest includes ROW_WEIGHTS, VALUES, VALUE_TARGETS and
    PAIR_GRADIENTS if these columns exist. A row is fresh if the shared data's policy version
    sampled all its tokens.

    Mini-batches hold whole episodes, or whole groups, with all their roles. The seed and the
    iteration determine the shuffle, so a resumed run makes the same mini-batches.
    """

    def __init__(
        self,
        *,
        num_minibatches: int,
        seed: int | None,
        minibatch_by: str = "episode",
        keep_groups: bool = False,
        **kwargs: Any,
    ) -> None:
        """Store how rows become mini-batches.

        Args:
            num_minibatches: Optimiser steps per epoch.
            seed: Seed of the shuffle.
            minibatch_by: "episode", "group", or "auto": groups if their rows are kept together and
                each mini-batch gets two or more, so that no step sees a single task.
            keep_groups: Whether the rows of a group should go to the same Learner.
            **kwargs: RLlib's options.
        """
        super().__init__(**kwargs)
        self._num_minibatches = num_minibatches
        self._minibatch_by = minibatch_by
        self._keep_groups = keep_groups
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
        own = OwnRows.of(batch)
        lengths = [len(episode) for episode in episodes]
        groups = np.array([episode.custom_data[columns.GROUP_ID] for episode in episodes], np.int64)
        units = own.rows(np.repeat(self._units(groups), lengths))
        num_minibatches = min(self._num_minibatches, len(np.unique(units)))
        records = own.rows(step_records(episodes))
        optional = (columns.ROW_WEIGHTS, columns.VALUES, columns.VALUE_TARGETS)
        weights, old_values, value_targets, pair_gradients = (
            own.rows(batch[name]) if name in batch else None
            for name in (*optional, columns.PAIR_GRADIENTS)
        )
        batch[columns.TOKEN_ROWS] = TokenRows.from_rows(
            [record.prompt_token_ids for record in records],
            [record.response_token_ids for record in records],
            rollout_logp=[record.rollout_logp for record in records],
            advantages=own.tokens(batch[columns.ADVANTAGES]),
            minibatch_ids=assign_minibatches(
                units,
                num_minibatches=num_minibatches,
                rng=np.random.default_rng([self._seed, iteration]),
                weights=own.rows(batch[columns.RESPONSE_LENGTHS]),
            ),
            num_minibatches=num_minibatches,
            weights=weights,
            old_values=old_values,
            value_targets=value_targets,
            pair_gradients=pair_gradients,
            is_fresh=_is_fresh(records, version),
            group_ids=own.rows(np.repeat(groups, lengths)) if self._keep_groups else None,
            images=_images(records),
        )
        return batch

    def _units(self, group_ids: np.ndarray) -> np.ndarray:
        """Return a label for each episode; those with the same label share a mini-batch."""
        pays = self._keep_groups and len(np.unique(group_ids)) >= 2 * self._num_minibatches
        by_group = pays if self._minibatch_by == "auto" else self._minibatch_by == "group"
        return group_ids if by_group else np.arange(len(group_ids))


def _images(records: Sequence[StepRecord]) -> RowImages | None:
    if not any(record.images for record in records):
        return None
    return RowImages.of([record.images for record in records])


def _is_fresh(records: Sequence[StepRecord], version: int | None) -> np.ndarray | None:
    """Return (R,) bool, which rows a policy version sampled; None if the version is unknown."""
    if version is None:
        return None
    return np.array([record.policy_version == version for record in records], dtype=bool)

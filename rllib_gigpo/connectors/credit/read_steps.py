"""Episodes -> rows: the rewards, anchors and labels of every step of the batch."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.batch.own_rows import is_fork
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.sampling.rollout_metrics import has_won


class ReadSteps(ConnectorV2):
    """Connector that writes the columns from GROUP_IDS to RESPONSE_LENGTHS.

    One row per step, episode after episode. A custom connector before this one may change the
    rewards of the episodes, and may write ANCHORS, or PENALTIES, to which ours are added.
    """

    def __call__(self, *, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Read all episodes."""
        records = step_records(episodes)
        lengths = np.array([len(episode) for episode in episodes], dtype=np.int64)
        group_ids = [episode.custom_data[columns.GROUP_ID] for episode in episodes]
        batch[columns.GROUP_IDS] = np.repeat(np.array(group_ids, dtype=np.int64), lengths)
        batch[columns.TAG_IDS] = np.repeat(_tag_ids(episodes), lengths)
        batch[columns.TRAJECTORY_IDS] = np.repeat(np.arange(len(episodes)), lengths)
        batch[columns.TREE_IDS] = np.repeat(_tree_ids(episodes), lengths)
        batch[columns.STEP_IDS] = _concatenate([np.arange(length) for length in lengths])
        batch[columns.REWARDS] = _concatenate([episode.get_rewards() for episode in episodes])
        batch.setdefault(columns.PENALTIES, np.zeros(len(records)))
        batch.setdefault(columns.ANCHORS, [record.anchor for record in records])
        batch[columns.ACTION_IDS] = numbers_of(record.action_text for record in records)
        batch[columns.WON] = np.repeat(
            np.array([has_won(episode) for episode in episodes], dtype=bool), lengths
        )
        batch[columns.RESPONSE_LENGTHS] = np.array(
            [len(record.response_token_ids) for record in records], dtype=np.int64
        )
        if any(map(is_fork, episodes)):
            replayed = [record.is_replayed for record in records]
            batch[columns.IS_REPLAYED] = np.array(replayed, dtype=bool)
        return batch


def _tree_ids(episodes: list[Any]) -> np.ndarray:
    """Number the trees; an episode that no rollout made is its own tree."""
    return numbers_of(
        (data[columns.GROUP_ID], data.get(columns.TREE, episode.id_))
        for episode in episodes
        for data in [episode.custom_data]
    )


def _tag_ids(episodes: list[Any]) -> np.ndarray:
    """Assign a number to each distinct set of tags."""
    return numbers_of(frozenset(episode.get_infos(0).get("tags", ())) for episode in episodes)


def numbers_of(values: Iterable[Hashable]) -> np.ndarray:
    """Number values by their first appearance: equal ones get the same number, int64."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)


def _concatenate(parts: list[Any]) -> np.ndarray:
    return np.concatenate([np.asarray(part) for part in parts]) if parts else np.zeros(0)

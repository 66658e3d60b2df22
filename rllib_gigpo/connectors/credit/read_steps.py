"""Episodes -> rows: rewards, penalties, anchors and labels of every step of the batch."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.connectors.env_to_module.observation_to_text import text_reader
from rllib_gigpo.env_runner.records import step_outputs


class ReadSteps(ConnectorV2):
    """Writes what episodes say of their steps, from GROUP_IDS to RESPONSE_LENGTHS.

    One row per step, episode after episode. The anchor of a step is the state *before* its action:
    ``info["anchor"]``, or the observation's text where the environment names none.
    """

    def __init__(
        self,
        *,
        format_penalty: float,
        admissible_penalty: float,
        observation_to_text: Callable[[Any], str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        """Set the two penalties, in the environment's reward units."""
        super().__init__(**kwargs)
        self._format_penalty = format_penalty
        self._admissible_penalty = admissible_penalty
        self._to_text = text_reader(observation_to_text)

    def __call__(self, *, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Read all episodes."""
        lengths = np.array([len(episode) for episode in episodes], dtype=np.int64)
        group_ids = [episode.custom_data[columns.GROUP_ID] for episode in episodes]
        batch[columns.GROUP_IDS] = np.repeat(np.array(group_ids, dtype=np.int64), lengths)
        batch[columns.TAG_IDS] = np.repeat(_tag_ids(episodes), lengths)
        batch[columns.TRAJECTORY_IDS] = np.repeat(np.arange(len(episodes)), lengths)
        batch[columns.STEP_IDS] = _concatenate([np.arange(length) for length in lengths])
        batch[columns.REWARDS] = _concatenate([episode.get_rewards() for episode in episodes])
        batch[columns.PENALTIES] = self._penalties(episodes)
        batch[columns.ANCHORS] = [a for episode in episodes for a in self._anchors(episode)]
        batch[columns.RESPONSE_LENGTHS] = np.array(
            [len(ids) for ids in step_outputs(episodes, columns.RESPONSE_TOKEN_IDS)], dtype=np.int64
        )
        return batch

    def _penalties(self, episodes: list[Any]) -> np.ndarray:
        """An answer without valid format names no action, so it pays for its format only."""
        is_valid = np.array(step_outputs(episodes, columns.IS_FORMAT_VALID), dtype=bool)
        is_admissible = np.array(step_outputs(episodes, columns.IS_ADMISSIBLE), dtype=bool)
        return np.where(
            is_valid,
            np.where(is_admissible, 0.0, self._admissible_penalty),
            self._format_penalty,
        )

    def _anchors(self, episode: Any) -> list[Hashable]:
        return [
            info["anchor"] if "anchor" in info else self._to_text(episode.get_observations(step))
            for step, info in enumerate(episode.get_infos(slice(0, len(episode))))
        ]


def _tag_ids(episodes: list[Any]) -> np.ndarray:
    """Number the distinct sets of tags of the episodes' tasks."""
    numbers: dict[frozenset[str], int] = {}
    tags = [frozenset(episode.get_infos(0).get("tags", ())) for episode in episodes]
    return np.array([numbers.setdefault(one, len(numbers)) for one in tags], dtype=np.int64)


def _concatenate(parts: list[Any]) -> np.ndarray:
    return np.concatenate([np.asarray(part) for part in parts]) if parts else np.zeros(0)

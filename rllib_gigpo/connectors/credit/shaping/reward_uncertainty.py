"""Uncertainty of the answers -> higher rewards in episodes that failed."""

from __future__ import annotations

from typing import Any

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.credit.uncertainty_reward import UncertaintyReward
from rllib_gigpo.errors import EngineError


class RewardUncertainty(ConnectorV2):
    """Connector that adds to REWARDS of failed episodes, and so to every return.

    Success and the rollout metrics come from the environment and are not affected.
    """

    def __init__(self, reward: UncertaintyReward, **kwargs: Any) -> None:
        """Store the formula."""
        super().__init__(**kwargs)
        self._reward = reward

    def __call__(self, *, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Raise the rewards, and report the uncertainty of successes and failures.

        Raises:
            EngineError: The engine did not tell the uncertainty of an answer.
        """
        records = step_records(episodes)
        if any(record.uncertainty is None and record.response_token_ids for record in records):
            raise EngineError(
                "uncertainty_reward needs the uncertainty of every token, but the engine's answers"
                " have none: fill Generation.uncertainty of requests that are with_uncertainty, or"
                " set training(uncertainty_reward=None)."
            )
        uncertainty = self._reward.of_steps([record.uncertainty for record in records])
        won = batch[columns.WON]
        added = self._reward(uncertainty, won, batch[columns.TRAJECTORY_IDS])
        batch[columns.REWARDS] = batch[columns.REWARDS] + added
        batch.setdefault(columns.CREDIT_METRICS, {}).update(
            uncertainty_of_successes=_mean(uncertainty[won]),
            uncertainty_of_failures=_mean(uncertainty[~won]),
            uncertainty_reward_mean=_mean(added),
            uncertainty_rewarded_share=_mean(added > 0),
        )
        return batch


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0

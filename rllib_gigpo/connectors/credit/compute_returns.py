"""Rewards -> returns: of the whole episode, and from each step on."""

from __future__ import annotations

from typing import Any

from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.credit.penalties import penalised_rewards
from rllib_gigpo.credit.returns import episode_returns, step_returns


class ComputeReturns(ConnectorV2):
    """Reads REWARDS and PENALTIES, writes EPISODE_RETURNS (eq. 2) and STEP_RETURNS (eq. 5)."""

    def __init__(self, *, gamma: float, penalty_mode: str, **kwargs: Any) -> None:
        """Set the discount, and where penalties enter."""
        super().__init__(**kwargs)
        self._gamma = gamma
        self._penalty_mode = penalty_mode

    def __call__(self, *, batch: dict[str, Any], **kwargs: Any) -> Any:
        """Compute both; the episode's return is the environment's alone."""
        trajectory_ids = batch[columns.TRAJECTORY_IDS]
        batch[columns.EPISODE_RETURNS] = episode_returns(batch[columns.REWARDS], trajectory_ids)
        batch[columns.STEP_RETURNS] = step_returns(
            penalised_rewards(
                batch[columns.REWARDS], batch[columns.PENALTIES], mode=self._penalty_mode
            ),
            trajectory_ids,
            batch[columns.STEP_IDS],
            gamma=self._gamma,
        )
        return batch

"""Rewards -> returns: of the whole episode, and from each step on."""

from __future__ import annotations

from typing import Any

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.credit.returns import episode_returns, step_returns


class ComputeReturns(ConnectorV2):
    """Reads REWARDS and PENALTIES, writes EPISODE_RETURNS (eq. 2) and STEP_RETURNS (eq. 5).

    Penalties are taken from the rewards that step returns are made of, so that discounting carries
    them into the steps before; or they become ROW_PENALTIES, which the rule takes from the rows
    themselves. The episode's return is the environment's alone.
    """

    def __init__(self, *, gamma: float, penalize_rows: bool, **kwargs: Any) -> None:
        """Set the discount, and where penalties enter."""
        super().__init__(**kwargs)
        self._gamma = gamma
        self._penalize_rows = penalize_rows

    def __call__(self, *, batch: dict[str, Any], **kwargs: Any) -> Any:
        """Compute both."""
        trajectory_ids, penalties = batch[columns.TRAJECTORY_IDS], batch[columns.PENALTIES]
        in_rows = penalties if self._penalize_rows else np.zeros_like(penalties)
        batch[columns.ROW_PENALTIES] = in_rows
        batch[columns.EPISODE_RETURNS] = episode_returns(batch[columns.REWARDS], trajectory_ids)
        batch[columns.STEP_RETURNS] = step_returns(
            batch[columns.REWARDS] - (penalties - in_rows),
            trajectory_ids,
            batch[columns.STEP_IDS],
            gamma=self._gamma,
        )
        return batch

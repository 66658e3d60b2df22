"""Rewards -> returns of the whole episode and from each step on."""

from __future__ import annotations

from typing import Any

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.credit.returns import episode_returns, step_returns


class ComputeReturns(ConnectorV2):
    """Connector that computes episode returns and step returns.

    Reads REWARDS and PENALTIES, and writes EPISODE_RETURNS (eq. 2) and STEP_RETURNS (eq. 5).
    Penalties either lower the rewards of the step returns, so discounting carries them into earlier
    steps, or become ROW_PENALTIES, which the rule subtracts from the rows. They never change the
    episode return.
    """

    def __init__(self, *, gamma: float, penalize_rows: bool, **kwargs: Any) -> None:
        """Store the discount, and whether penalties become ROW_PENALTIES."""
        super().__init__(**kwargs)
        self._gamma = gamma
        self._penalize_rows = penalize_rows

    def __call__(self, *, batch: dict[str, Any], **kwargs: Any) -> Any:
        """Compute both returns."""
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

"""The divergence from the reference -> less reward."""

from __future__ import annotations

from typing import Any

from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns


class PenalizeDivergence(ConnectorV2):
    """Takes KL_PENALTIES, where the Learners gave some, from REWARDS: they count in every return.

    Success and the metrics of the rollout are the environment's and do not see them.
    """

    def __call__(self, *, batch: dict[str, Any], **kwargs: Any) -> Any:
        """Take them off, and say how much in the mean."""
        if columns.KL_PENALTIES not in batch:
            return batch
        penalties = batch[columns.KL_PENALTIES]
        batch[columns.REWARDS] = batch[columns.REWARDS] - penalties
        metrics = batch.setdefault(columns.CREDIT_METRICS, {})
        metrics["kl_penalty_mean"] = float(penalties.mean()) if penalties.size else 0.0
        return batch

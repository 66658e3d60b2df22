"""KL divergence from the reference -> lower rewards."""

from __future__ import annotations

from typing import Any

from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns


class PenalizeDivergence(ConnectorV2):
    """Connector that subtracts KL_PENALTIES, if any, from REWARDS, and so from every return.

    Success and the rollout metrics come from the environment and are not affected.
    """

    def __call__(self, *, batch: dict[str, Any], **kwargs: Any) -> Any:
        """Subtract the penalties, and report their mean."""
        if columns.KL_PENALTIES not in batch:
            return batch
        penalties = batch[columns.KL_PENALTIES]
        batch[columns.REWARDS] = batch[columns.REWARDS] - penalties
        metrics = batch.setdefault(columns.CREDIT_METRICS, {})
        metrics["kl_penalty_mean"] = float(penalties.mean()) if penalties.size else 0.0
        return batch

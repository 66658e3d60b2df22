"""Response lengths -> penalties for answers close to the token limit."""

from __future__ import annotations

from typing import Any

from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.credit.penalties import OverlongPenalty, overlong_penalties


class PenalizeOverlong(ConnectorV2):
    """Connector that adds to PENALTIES; see `overlong_penalties`."""

    def __init__(self, penalty: OverlongPenalty, *, max_tokens: int, **kwargs: Any) -> None:
        """Store the penalty, and the limit at which the engine stops an answer."""
        super().__init__(**kwargs)
        self._penalty = penalty
        self._max_tokens = max_tokens

    def __call__(self, *, batch: dict[str, Any], **kwargs: Any) -> Any:
        """Penalise long answers, and report the mean penalty."""
        penalties = overlong_penalties(
            batch[columns.RESPONSE_LENGTHS],
            max_tokens=self._max_tokens,
            buffer_tokens=self._penalty.buffer_tokens,
            weight=self._penalty.weight,
        )
        batch[columns.PENALTIES] = batch[columns.PENALTIES] + penalties
        metrics = batch.setdefault(columns.CREDIT_METRICS, {})
        metrics["overlong_penalty_mean"] = float(penalties.mean()) if penalties.size else 0.0
        return batch

"""Invalid answers -> penalties."""

from __future__ import annotations

from typing import Any

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.credit.penalties import invalid_penalties


class PenalizeInvalid(ConnectorV2):
    """Connector that adds to PENALTIES; see `invalid_penalties`."""

    def __init__(self, *, format: float, admissible: float, **kwargs: Any) -> None:
        """Store the two penalties, in the environment's reward units."""
        super().__init__(**kwargs)
        self._format = format
        self._admissible = admissible

    def __call__(self, *, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Penalise every step whose answer is invalid."""
        records = step_records(episodes)
        penalties = invalid_penalties(
            np.array([record.is_format_valid for record in records], dtype=bool),
            np.array([record.is_admissible for record in records], dtype=bool),
            format=self._format,
            admissible=self._admissible,
        )
        batch[columns.PENALTIES] = batch[columns.PENALTIES] + penalties
        return batch

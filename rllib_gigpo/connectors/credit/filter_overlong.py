"""Answers that the limit cut off -> rows that do not count in the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import step_records


class FilterOverlong(ConnectorV2):
    """Writes ROW_WEIGHTS: 0 for a step whose answer was cut off (DAPO, arXiv 2503.14476, 3.4).

    The step keeps its part in all statistics: what it led to did happen.
    """

    def __call__(self, *, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Weigh the rows, and say how many were filtered."""
        is_cut = np.array([one.is_response_cut for one in step_records(episodes)], dtype=bool)
        batch[columns.ROW_WEIGHTS] = np.where(is_cut, 0.0, 1.0)
        metrics = batch.setdefault(columns.CREDIT_METRICS, {})
        metrics["overlong_filtered_share"] = float(is_cut.mean()) if is_cut.size else 0.0
        return batch

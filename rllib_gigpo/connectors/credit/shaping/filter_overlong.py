"""Answers cut off at the token limit -> rows that do not count in the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import step_records


class FilterOverlong(ConnectorV2):
    """Connector that writes ROW_WEIGHTS: 0 for a step whose answer was cut off.

    See DAPO, arXiv 2503.14476, section 3.4.
    The step still counts in all statistics, because it did shape the episode.
    """

    def __call__(self, *, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Set the row weights, and report the share of filtered rows."""
        is_cut = np.array([one.is_response_cut for one in step_records(episodes)], dtype=bool)
        batch[columns.ROW_WEIGHTS] = np.where(is_cut, 0.0, 1.0)
        metrics = batch.setdefault(columns.CREDIT_METRICS, {})
        metrics["overlong_filtered_share"] = float(is_cut.mean()) if is_cut.size else 0.0
        return batch

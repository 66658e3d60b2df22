"""Anchors -> anchor groups: the steps of one task that started from the same state."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.batch.own_rows import OwnRows
from rllib_gigpo.credit.anchor_metrics import (
    anchor_group_size_histogram,
    anchor_metrics,
    anchor_metrics_of_roles,
)
from rllib_gigpo.credit.anchors import AnchorMatch, next_labels


class GroupAnchors(ConnectorV2):
    """Connector that writes ANCHOR_GROUP_IDS (eq. 6), NEXT_ANCHOR_GROUP_IDS and metrics."""

    def __init__(self, match: AnchorMatch, **kwargs: Any) -> None:
        """Store the strategy that decides which anchors are the same state."""
        super().__init__(**kwargs)
        self._match = match

    def __call__(self, *, batch: dict[str, Any], **kwargs: Any) -> Any:
        """Group the rows, and report the time and the metrics."""
        start = time.perf_counter()
        order = batch[columns.TRAJECTORY_IDS], batch[columns.STEP_IDS]
        labels = self._match(batch[columns.ANCHORS], batch[columns.GROUP_IDS], *order)
        batch[columns.ANCHOR_GROUP_IDS] = labels
        batch[columns.NEXT_ANCHOR_GROUP_IDS] = next_labels(labels, *order)
        metrics = batch.setdefault(columns.CREDIT_METRICS, {})
        metrics["anchor_grouping_s"] = time.perf_counter() - start
        self._measure(OwnRows.of(batch).columns(batch), metrics)
        return batch

    def _measure(self, rows: Mapping[str, Any], metrics: dict[str, Any]) -> None:
        """Measure the groups of the rows that episodes chose themselves."""
        labels, step_returns = rows[columns.ANCHOR_GROUP_IDS], rows[columns.STEP_RETURNS]
        metrics.update(anchor_metrics(labels, step_returns))
        if columns.ROLES in rows:
            metrics["roles"] = anchor_metrics_of_roles(labels, step_returns, rows[columns.ROLES])
        metrics["anchor_group_size_histogram"] = anchor_group_size_histogram(labels)

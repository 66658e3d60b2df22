"""Episodes -> segments: where a sub-goal starts, and the level of each response token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.batch.sub_goal_step import SubGoalStep


class ReadSubGoals(ConnectorV2):
    """Connector that writes SEGMENT_STARTS, TOKEN_LEVELS and metrics, and adds to PENALTIES."""

    def __init__(self, *, penalty: float, **kwargs: Any) -> None:
        """Store the penalty for an answer that contradicts itself, in reward units."""
        super().__init__(**kwargs)
        self._penalty = penalty

    def __call__(self, *, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Read the sub-goals of all steps."""
        steps = [record.sub_goal for record in step_records(episodes) if record.sub_goal]
        starts = _flags(step.starts_segment for step in steps)
        contradictory = _flags(step.is_contradictory for step in steps)
        batch[columns.SEGMENT_STARTS] = starts
        batch[columns.TOKEN_LEVELS] = _levels(steps)
        batch[columns.PENALTIES] = batch[columns.PENALTIES] + self._penalty * contradictory
        num_segments = max(1, int(starts.sum()))
        batch.setdefault(columns.CREDIT_METRICS, {}).update(
            sub_goals_per_episode=num_segments / max(1, len(episodes)),
            steps_per_sub_goal=len(steps) / num_segments,
            sub_goal_missing_share=_share(_flags(not step.has_blocks for step in steps)),
            sub_goal_contradiction_share=_share(contradictory),
        )
        return batch


def _flags(values: Any) -> np.ndarray:
    return np.array(list(values), dtype=bool)


def _share(flags: np.ndarray) -> float:
    return float(flags.mean()) if flags.size else 0.0


def _levels(steps: Sequence[SubGoalStep]) -> np.ndarray:
    empty: np.ndarray = np.empty(0, dtype=np.int8)
    return np.concatenate([empty, *(step.token_levels for step in steps)])

"""Token rows as RLlib training data, split over the Learners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ray.rllib.core.learner.training_data import TrainingData

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.shares import split_rows


@dataclass
class TrainingRows(TrainingData):
    """Training data of `GiGPOLearner`, for ``LearnerGroup.update(training_data=...)``.

    Attributes:
        rows: Token rows with mini-batch ids and the global counts of the mini-batches.
    """

    rows: TokenRows | None = None

    def validate(self) -> None:
        """Check that there are rows.

        Raises:
            ValueError: There are none.
        """
        if self.rows is None:
            raise ValueError("TrainingRows has no rows; pass TrainingRows(rows=TokenRows(...)).")

    def shard(
        self, num_shards: int, len_lookback_buffer: int | None = None, **kwargs: Any
    ) -> list[tuple[TrainingRows, dict[str, Any]]]:
        """Split the rows into shards, balanced by tokens in each mini-batch; see `split_rows`."""
        assert self.rows is not None
        return [(TrainingRows(rows=part), {}) for part in split_rows(self.rows, num_shards)]

    def solve_refs(self) -> None:
        """Do nothing: the rows are not references."""

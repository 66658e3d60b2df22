"""ROLL's `reward_normalization`: which rows are compared, and how.

Statistics run over rows, so long episodes weigh more. Source: alibaba/ROLL, agentic pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.group_statistics import centred
from rllib_gigpo.options.records import Options

ASYM_CLIP = (-1.0, 3.0)


@dataclass(frozen=True, slots=True)
class RewardNormalization(Options):
    """Normalisation of row values within groups.

    Attributes:
        grouping: Rows that are compared: "batch" (all), "traj_group_id" (those of one task) or
            "tags" (those of tasks with the same tags).
        method: "identity": x; "mean": x - mean; "mean_std": (x - mean) / (unbiased standard
            deviation + 1e-6); "asym_clip": "mean_std" clamped to [-1, 3].
    """

    grouping: Literal["batch", "traj_group_id", "tags"] = "traj_group_id"
    method: Literal["identity", "mean", "mean_std", "asym_clip"] = "mean"

    @property
    def compares_within_groups(self) -> bool:
        """Whether values are compared only with those of the same task."""
        return self.grouping == "traj_group_id" and self.method != "identity"

    def labels(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return one label per row, (R,) int64; rows with equal labels are compared."""
        if self.grouping == "batch":
            return np.zeros(len(columns[names.GROUP_IDS]), dtype=np.int64)
        return columns[names.TAG_IDS if self.grouping == "tags" else names.GROUP_IDS]

    def __call__(self, values: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Apply the method within groups.

        Args:
            values: (R,) Finite numbers.
            labels: (R,) int64, such as the result of `labels`, or anchor groups.

        Returns:
            (R,) float64.
        """
        if self.method == "identity":
            return np.array(values, dtype=np.float64)
        result = centred(values, labels, divide_by_std=self.method != "mean")
        return np.clip(result, *ASYM_CLIP) if self.method == "asym_clip" else result

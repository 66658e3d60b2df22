"""The episode advantage A^E with all its options, which several rules share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Literal

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.advantages import episode_advantages, raw_where_alone, step_advantages
from rllib_gigpo.credit.reward_normalization import RewardNormalization
from rllib_gigpo.credit.rules.credit_rule import CreditRule

EPISODE_COLUMNS = frozenset(
    {
        names.GROUP_IDS,
        names.TAG_IDS,
        names.TRAJECTORY_IDS,
        names.EPISODE_RETURNS,
        names.ROW_PENALTIES,
    }
)
# The options that reward_normalization replaces.
_REPLACED = ("normalize_by_std", "episode_baseline", "lone_episode")


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeLevel(CreditRule):
    """Base of the rules that compare episodes of one task.

    Attributes:
        episode_weight: w_E.
        normalize_by_std: Whether to divide by the standard deviation, F; otherwise F is 1.
        episode_baseline: Whether the mean and F of A^E run over episodes ("trajectory", as in the
            paper) or over rows ("step").
        lone_episode: A^E of an episode without peers: "zero", or "raw" for its return, as in
            verl-agent.
        reward_normalization: ROLL's grouping and method, which replace the three options above;
            None to use those.
    """

    needs: ClassVar[frozenset[str] | None] = EPISODE_COLUMNS

    episode_weight: float = 1.0
    normalize_by_std: bool = False
    episode_baseline: Literal["trajectory", "step"] = "trajectory"
    lone_episode: Literal["zero", "raw"] = "zero"
    reward_normalization: RewardNormalization | None = None

    def __post_init__(self) -> None:
        """Reject options that exclude each other."""
        if self.reward_normalization is None:
            return
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _REPLACED and value != field.default:
                raise ValueError(
                    f"reward_normalization excludes {field.name}={value!r}, because it replaces"
                    f" that option; leave it at {field.default!r}"
                )

    def episode_level(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return A^E (R,): each row's episode against its peers, less the row's penalty."""
        compared = self.compare_episodes(columns[names.EPISODE_RETURNS], columns)
        return compared - columns[names.ROW_PENALTIES]

    def compare_episodes(self, scores: np.ndarray, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Compare the scores (R,) of episodes within their task."""
        if self.reward_normalization is not None:
            return self.reward_normalization(scores, self.reward_normalization.labels(columns))
        group_ids, trajectory_ids = columns[names.GROUP_IDS], columns[names.TRAJECTORY_IDS]
        advantages = episode_advantages(
            scores,
            group_ids,
            trajectory_ids,
            baseline=self.episode_baseline,
            divide_by_std=self.normalize_by_std,
        )
        if self.lone_episode == "raw":
            return raw_where_alone(
                advantages, scores, group_ids, trajectory_ids, baseline=self.episode_baseline
            )
        return advantages

    def step_level(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return A^S (R,): each row's step return against those of its anchor group."""
        return self.compare_steps(
            columns[names.STEP_RETURNS] - columns[names.ROW_PENALTIES], columns
        )

    def compare_steps(self, scores: np.ndarray, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Compare the scores (R,) of steps from the same state."""
        return self.compare_rows(scores, columns[names.ANCHOR_GROUP_IDS])

    def compare_rows(self, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Compare the scores (R,) of rows with the same label, (R,) int64."""
        if self.reward_normalization is not None:
            return self.reward_normalization(scores, labels)
        return step_advantages(scores, labels, divide_by_std=self.normalize_by_std)

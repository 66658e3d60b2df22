"""The episode level A^E with all its settings, which most estimators are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.advantages import (
    EPISODE_BASELINES,
    LONE_EPISODES,
    episode_advantages,
    raw_where_alone,
    step_advantages,
)
from rllib_gigpo.credit.estimators.base import Estimator
from rllib_gigpo.credit.group_statistics import check_normalize_by_std
from rllib_gigpo.credit.penalties import (
    check_penalty_mode,
    penalised_advantages,
    penalised_scores,
    penalised_step_returns,
)
from rllib_gigpo.credit.reward_normalization import RewardNormalization


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeLevel(Estimator):
    """Base of the estimators that compare episodes of one task.

    Attributes:
        episode_weight: w_E.
        normalize_by_std: Whether F is the standard deviation; None for the estimator's own.
        episode_baseline: "trajectory" (the paper) or "step": what mean and F of A^E run over.
        penalty_mode: "return" (penalties are in the step returns already), "row" or "score".
        reward_normalization: ROLL's grouping and method in the place of baseline and F, or None.
        lone_episode: "zero", or "raw": an episode without peers keeps its return (verl-agent).
    """

    needs: ClassVar[frozenset[str]] = frozenset(
        {
            names.GROUP_IDS,
            names.TAG_IDS,
            names.TRAJECTORY_IDS,
            names.EPISODE_RETURNS,
            names.PENALTIES,
        }
    )
    own_normalize_by_std: ClassVar[bool]

    episode_weight: float = 1.0
    normalize_by_std: bool | None = None
    episode_baseline: str = "trajectory"
    penalty_mode: str = "return"
    reward_normalization: Mapping[str, Any] | RewardNormalization | None = None
    lone_episode: str = "zero"

    def __post_init__(self) -> None:
        """Refuse unknown choices and those that exclude each other."""
        check_normalize_by_std(self.normalize_by_std)
        for name, allowed in (
            ("episode_baseline", EPISODE_BASELINES),
            ("lone_episode", LONE_EPISODES),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is unknown; choose one of {allowed}."
                )
        check_penalty_mode(self.penalty_mode)
        if self.reward_normalization is not None:
            self._check_reward_normalization(self.reward_normalization)
        elif self.penalty_mode == "score" and self.episode_baseline == "trajectory":
            raise ValueError(
                'penalty_mode="score" gives the rows of an episode different scores, so it needs'
                ' statistics over rows: set episode_baseline="step".'
            )

    def _check_reward_normalization(self, setting: Mapping[str, Any] | RewardNormalization) -> None:
        RewardNormalization.from_setting(setting)
        for name, default in (
            ("normalize_by_std", None),
            ("episode_baseline", "trajectory"),
            ("lone_episode", "zero"),
        ):
            if getattr(self, name) != default:
                raise ValueError(
                    f"reward_normalization sets what is compared and how, so it excludes"
                    f" {name}={getattr(self, name)!r}; leave that at {default!r}."
                )

    @property
    def divides_by_std(self) -> bool:
        """Whether F is the standard deviation: the setting, or the estimator's own choice."""
        if self.normalize_by_std is None:
            return self.own_normalize_by_std
        return self.normalize_by_std

    def episode_level(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Compare each row's episode with its peers: A^E (R,)."""
        penalties = columns[names.PENALTIES]
        scores = penalised_scores(columns[names.EPISODE_RETURNS], penalties, mode=self.penalty_mode)
        return penalised_advantages(
            self._compare_episodes(scores, columns), penalties, mode=self.penalty_mode
        )

    def _compare_episodes(
        self, scores: np.ndarray, columns: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        if self.reward_normalization is not None:
            normalization = RewardNormalization.from_setting(self.reward_normalization)
            return normalization(scores, normalization.labels(columns))
        group_ids, trajectory_ids = columns[names.GROUP_IDS], columns[names.TRAJECTORY_IDS]
        advantages = episode_advantages(
            scores,
            group_ids,
            trajectory_ids,
            baseline=self.episode_baseline,
            divide_by_std=self.divides_by_std,
        )
        if self.lone_episode == "raw":
            return raw_where_alone(
                advantages, scores, group_ids, trajectory_ids, baseline=self.episode_baseline
            )
        return advantages

    def step_level(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Compare each row's step return with those of its anchor group: A^S (R,)."""
        returns = penalised_step_returns(
            columns[names.STEP_RETURNS], columns[names.PENALTIES], mode=self.penalty_mode
        )
        labels = columns[names.ANCHOR_GROUP_IDS]
        if self.reward_normalization is not None:
            return RewardNormalization.from_setting(self.reward_normalization)(returns, labels)
        return step_advantages(returns, labels, divide_by_std=self.divides_by_std)

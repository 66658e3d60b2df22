"""GRPO: each step has the advantage of its episode.

Paper: DeepSeekMath, arXiv 2402.03300, eq. of section 4.1.2, with episodes in the place of answers.

    A_{i,t} = w_E · (R(τ_i) - mean of the group's episode returns) / F

F is the unbiased standard deviation + 1e-6; ``normalize_by_std=False`` sets it to 1, which is
Dr. GRPO's advantage. Degenerate cases: a group of one, or without spread, gives exactly 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.advantages import EPISODE_BASELINES, episode_advantages
from rllib_gigpo.credit.estimators.base import Advantages, Estimator
from rllib_gigpo.credit.penalties import check_penalty_mode, row_penalties


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeLevel(Estimator):
    """The episode level and its settings, which GRPO is made of and GiGPO adds to."""

    needs: ClassVar[frozenset[str]] = frozenset(
        {names.GROUP_IDS, names.TRAJECTORY_IDS, names.EPISODE_RETURNS, names.PENALTIES}
    )
    own_normalize_by_std: ClassVar[bool]

    episode_weight: float = 1.0
    normalize_by_std: bool | None = None
    episode_baseline: str = "trajectory"
    penalty_mode: str = "return"

    def __post_init__(self) -> None:
        """Refuse unknown choices."""
        if self.normalize_by_std not in (None, True, False):
            raise ValueError(
                f"normalize_by_std={self.normalize_by_std!r} must be True, False, or None for the"
                " estimator's own."
            )
        if self.episode_baseline not in EPISODE_BASELINES:
            raise ValueError(
                f"episode_baseline={self.episode_baseline!r} is unknown; choose one of"
                f" {EPISODE_BASELINES}."
            )
        check_penalty_mode(self.penalty_mode)

    @property
    def divides_by_std(self) -> bool:
        """Whether F is the standard deviation: the setting, or the estimator's own choice."""
        if self.normalize_by_std is None:
            return self.own_normalize_by_std
        return self.normalize_by_std

    def episode_level(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """A^E (R,), less the row's penalty after centring in penalty mode "row"."""
        advantages = episode_advantages(
            columns[names.EPISODE_RETURNS],
            columns[names.GROUP_IDS],
            columns[names.TRAJECTORY_IDS],
            baseline=self.episode_baseline,
            divide_by_std=self.divides_by_std,
        )
        return advantages - row_penalties(columns[names.PENALTIES], mode=self.penalty_mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class GRPO(EpisodeLevel):
    """Episode level only.

    Attributes:
        episode_weight: w_E.
        normalize_by_std: Whether F is the standard deviation; None for GRPO's own, which is yes.
        episode_baseline: "trajectory" or "step": what mean and F run over.
        penalty_mode: "return" or "row". In mode "return" penalties live in step returns, which GRPO
            does not read.
    """

    name: ClassVar[str] = "grpo"
    own_normalize_by_std: ClassVar[bool] = True

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Give each row its episode's advantage, see the base class."""
        episode = self.episode_level(columns)
        return Advantages(
            episode=episode, step=np.zeros_like(episode), total=self.episode_weight * episode
        )

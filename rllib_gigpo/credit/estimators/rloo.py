"""RLOO: each episode against the mean of its group's other episodes.

Paper: Back to Basics, arXiv 2402.14740, eq. 8, with episodes in the place of answers.

    A_{i,t} = R(τ_i) - mean of R(τ_j), j ≠ i, = N/(N-1) · (R(τ_i) - mean of the group)

``episode_baseline="step"`` leaves one *row* out instead, as verl-agent does. Degenerate cases: a
group of one, or without spread, gives exactly 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.advantages import EPISODE_BASELINES, episode_advantages, group_members
from rllib_gigpo.credit.estimators.base import Advantages, Estimator
from rllib_gigpo.credit.penalties import (
    check_penalty_mode,
    penalised_advantages,
    penalised_scores,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RLOO(Estimator):
    """Leave one out.

    Attributes:
        episode_baseline: "trajectory", or "step": what the mean runs over.
        penalty_mode: "row" or, with the baseline "step", "score".
    """

    name: ClassVar[str] = "rloo"
    needs: ClassVar[frozenset[str]] = frozenset(
        {names.GROUP_IDS, names.TRAJECTORY_IDS, names.EPISODE_RETURNS, names.PENALTIES}
    )

    episode_baseline: str = "trajectory"
    penalty_mode: str = "return"

    def __post_init__(self) -> None:
        """Refuse unknown choices and those that exclude each other."""
        check_penalty_mode(self.penalty_mode)
        if self.episode_baseline not in EPISODE_BASELINES:
            raise ValueError(
                f"episode_baseline={self.episode_baseline!r} is unknown; choose one of"
                f" {EPISODE_BASELINES}."
            )
        if self.penalty_mode == "score" and self.episode_baseline == "trajectory":
            raise ValueError('penalty_mode="score" needs episode_baseline="step".')

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Compare with all others of the group, see the base class."""
        group_ids, trajectory_ids = columns[names.GROUP_IDS], columns[names.TRAJECTORY_IDS]
        penalties = columns[names.PENALTIES]
        advantages = episode_advantages(
            penalised_scores(columns[names.EPISODE_RETURNS], penalties, mode=self.penalty_mode),
            group_ids,
            trajectory_ids,
            baseline=self.episode_baseline,
            divide_by_std=False,
        )
        members = group_members(group_ids, trajectory_ids, baseline=self.episode_baseline)
        advantages *= members / np.maximum(members - 1, 1)
        advantages = penalised_advantages(advantages, penalties, mode=self.penalty_mode)
        return Advantages(episode=advantages, step=np.zeros_like(advantages), total=advantages)

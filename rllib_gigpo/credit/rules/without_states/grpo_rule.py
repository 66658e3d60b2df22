"""GRPO: each step gets the advantage of its episode.

Paper: DeepSeekMath, arXiv 2402.03300, eq. of section 4.1.2, with episodes instead of answers.

    A_{i,t} = w_E · (R(τ_i) - mean of the group's episode returns) / F

F is the unbiased standard deviation + 1e-6; ``normalize_by_std=False`` sets it to 1, which is
Dr. GRPO's advantage. Degenerate cases: a group of one, or without spread, gives exactly 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rllib_gigpo.credit.rules.credit_rule import Advantages
from rllib_gigpo.credit.rules.episode_level import EpisodeLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class GRPORule(EpisodeLevel):
    """Episode advantages only; the base class has the options."""

    name: ClassVar[str] = "grpo"

    normalize_by_std: bool = True

    @property
    def compares_within_groups(self) -> bool:
        """True unless ``reward_normalization`` compares something else."""
        normalization = self.reward_normalization
        return normalization is None or normalization.compares_within_groups

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Give each row its episode's advantage; see the base class."""
        episode = self.episode_level(columns)
        return Advantages(
            episode=episode, step=np.zeros_like(episode), total=self.episode_weight * episode
        )

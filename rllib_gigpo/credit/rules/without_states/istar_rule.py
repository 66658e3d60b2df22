"""iStar: episode advantages, and step rewards that a process reward model learns from outcomes.

Paper: Agentic Reinforcement Learning with Implicit Step Rewards, arXiv 2509.19199.

    A_{i,t} = w_E · A^E(τ_i) + w · A^S_{i,t}
    r_{i,t} = β · Σ over the response tokens of (log π_PRM - log π)
    A^S_{i,t} = (r_{i,t} - mean) / F, over all steps of the task

F is the unbiased standard deviation + 1e-6, or 1. π are the weights that the update starts from.
The published code takes the mean over the first steps of the episodes only, although its comment
says all steps; this rule does as the paper says. The weight w is not in what we could read: 1.
Degenerate cases: while the reward model equals the policy, as at the start, every r is 0 and A^S
too, so the result is exactly GRPO's; a task of one step, or without spread, has A^S = 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.rules.credit_rule import Advantages
from rllib_gigpo.credit.rules.episode_level import EPISODE_COLUMNS, EpisodeLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class IStarRule(EpisodeLevel):
    """Weighted sum of the episode advantage and the normalised implicit step rewards.

    Attributes:
        step_weight: w.
    """

    name: ClassVar[str] = "istar"
    needs: ClassVar[frozenset[str] | None] = EPISODE_COLUMNS | {names.IMPLICIT_REWARDS}

    normalize_by_std: bool = True
    step_weight: float = 1.0

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Add the two weighted levels; see the base class."""
        episode = self.episode_level(columns)
        step = self.compare_rows(columns[names.IMPLICIT_REWARDS], columns[names.GROUP_IDS])
        total = self.episode_weight * episode + self.step_weight * step
        return Advantages(episode=episode, step=step, total=total)

"""GiGPO: the sum of an episode advantage and an advantage among steps from the same state.

Paper: Group-in-Group Policy Optimization for LLM Agent Training, arXiv 2505.10978, eq. 3, 7 and 8.

    A_{i,t} = w_E · A^E(τ_i) + ω · A^S_{i,t}
    A^E(τ_i)  = (R(τ_i) - mean of the group's episode returns) / F
    A^S_{i,t} = (R_{i,t} - mean of its anchor group's step returns) / F

F is 1 (then each difference is an unbiased leave-one-out estimate up to the factor N/(N-1)) or the
unbiased standard deviation + 1e-6. Degenerate cases: a group of one, or without spread, gives
exactly 0 at its level; if no state recurs, A^S is 0 everywhere and the result is exactly GRPO's
with the same F.
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
class GiGPORule(EpisodeLevel):
    """Weighted sum of episode and step advantages; the base class has the other options.

    Attributes:
        step_weight: ω; results are flat between 0.4 and 1.2.
    """

    name: ClassVar[str] = "gigpo"
    needs: ClassVar[frozenset[str] | None] = EPISODE_COLUMNS | {
        names.STEP_RETURNS,
        names.ANCHOR_GROUP_IDS,
    }

    step_weight: float = 1.0

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Add the two weighted levels; see the base class."""
        episode, step = self.episode_level(columns), self.step_level(columns)
        total = self.episode_weight * episode + self.step_weight * step
        return Advantages(episode=episode, step=step, total=total)

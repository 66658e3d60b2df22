"""GiGPO as the reference system computes it: statistics over rows, penalties in the scores.

Source: verl-agent, ``gigpo/core_gigpo.py`` and its trainer.

    A_{i,t} = w_E · (s_{i,t} - mean s) / F + ω · A^S_{i,t},  s_{i,t} = R(τ_i) - c_{i,t}

The penalty c of an invalid answer is taken from the score of its row *before* the statistics, so
that the penalties of a group move its mean; with ``penalties={"mode": "row"}`` the rows have one.
Mean and F run over the rows of the task, so that long episodes weigh more. Degenerate cases: an
episode without peers keeps its score, an anchor group of one gives 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.rules.gigpo_rule import GiGPORule


@dataclass(frozen=True, slots=True, kw_only=True)
class VerlAgentGiGPORule(GiGPORule):
    """GiGPO with the reference's statistics; its options are those of `GiGPORule`.

    ``reward_normalization`` takes the place of all three of its own; the scores that it compares
    are still less the rows' penalties.

    Attributes:
        episode_baseline: Always "step": mean and F run over rows.
    """

    name: ClassVar[str] = "gigpo_verl_agent"

    normalize_by_std: bool = True
    episode_baseline: Literal["step"] = "step"
    lone_episode: Literal["zero", "raw"] = "raw"

    def episode_level(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Compare each row's score, its penalty taken off before: A^E (R,)."""
        scores = columns[names.EPISODE_RETURNS] - columns[names.ROW_PENALTIES]
        return self.compare_episodes(scores, columns)

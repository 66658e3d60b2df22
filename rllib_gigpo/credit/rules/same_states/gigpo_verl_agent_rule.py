"""GiGPO as the reference implementation computes it: statistics over rows, penalised scores.

Source: verl-agent, ``gigpo/core_gigpo.py`` and its trainer.

    A_{i,t} = w_E · (s_{i,t} - mean s) / F + ω · A^S_{i,t},  s_{i,t} = R(τ_i) - c_{i,t}

The penalty c of an invalid answer is subtracted from the score of its row *before* the statistics,
so the penalties of a group shift its mean; this needs ``penalties={"mode": "row"}``.
Mean and F run over the rows of the task, so long episodes weigh more. Degenerate cases: an episode
without peers keeps its score, and an anchor group of one gives 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.rules.same_states.gigpo_rule import GiGPORule


@dataclass(frozen=True, slots=True, kw_only=True)
class VerlAgentGiGPORule(GiGPORule):
    """GiGPO with the statistics of verl-agent; `GiGPORule` documents the options.

    ``reward_normalization`` replaces the statistics of this rule too, but the scores that it
    compares still include the penalties.

    Attributes:
        episode_baseline: Always "step": the mean and F of A^E run over rows.
    """

    name: ClassVar[str] = "gigpo_verl_agent"

    normalize_by_std: bool = True
    episode_baseline: Literal["step"] = "step"
    lone_episode: Literal["zero", "raw"] = "raw"

    def episode_level(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return A^E (R,): each row's penalised score against those of its peers."""
        scores = columns[names.EPISODE_RETURNS] - columns[names.ROW_PENALTIES]
        return self.compare_episodes(scores, columns)

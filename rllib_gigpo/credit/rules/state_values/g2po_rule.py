"""G2PO: the value of the next state, compared where the state was the same and over the task.

Source: G2PO (``Nala-YN/G2PO``).

    A_{i,t} = w_E · A^E(τ_i) + w · (A1_{i,t} + A2_{i,t})
    V(s) = mean over the visits (i, t) of s of γ^{T_i - t} · R(τ_i), with t from 0 and T_i steps
    A1_{i,t} = (V(s_{i,t+1}) - mean) / F over the steps of the task from the same state
    A2_{i,t} = (V(s_{i,t+1}) - V(s_{i,t}) - mean) / F over all steps of the task

The end of an episode is worth its return. In the source these ends are worth 10 after a success and
0 after a failure, which are the returns of its environments. F is 1, or the unbiased standard
deviation + 1e-6: the source has both. The penalty of a row (``penalties={"mode": "row"}``; 0.1 in
the source) lowers its A^E and what A1 compares.
Degenerate cases: a state that is left once has A1 = 0; without recurring states
V(s_{i,t+1}) - V(s_{i,t}) = (1 - γ) · γ^{T - t - 1} · R(τ_i), so A2 is what is left besides A^E: it
prefers the last steps of the episodes with high returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.gae import next_values
from rllib_gigpo.credit.group_statistics import group_means, group_sizes
from rllib_gigpo.credit.rules.credit_rule import Advantages
from rllib_gigpo.credit.rules.episode_level import EPISODE_COLUMNS, EpisodeLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class G2PORule(EpisodeLevel):
    """Weighted sum of the episode advantage and two by the values of states.

    Attributes:
        gamma: Discount per step until the end of the episode.
        step_weight: w.
    """

    name: ClassVar[str] = "g2po"
    needs: ClassVar[frozenset[str] | None] = EPISODE_COLUMNS | {
        names.STEP_IDS,
        names.ANCHOR_GROUP_IDS,
        names.NEXT_ANCHOR_GROUP_IDS,
    }

    gamma: float = 0.95
    step_weight: float = 1.0

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Add the weighted levels; see the base class."""
        before, after = self.state_values(columns)
        same_state = self.compare_steps(after - columns[names.ROW_PENALTIES], columns)
        whole_task = self.compare_rows(after - before, columns[names.GROUP_IDS])
        step = same_state + whole_task
        episode = self.episode_level(columns)
        total = self.episode_weight * episode + self.step_weight * step
        return Advantages(episode=episode, step=step, total=total)

    def state_values(self, columns: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return the values of the states before and after each step, (R,) each."""
        trajectory_ids, step_ids = columns[names.TRAJECTORY_IDS], columns[names.STEP_IDS]
        returns = columns[names.EPISODE_RETURNS]
        steps_left = group_sizes(trajectory_ids) - step_ids
        values = group_means(self.gamma**steps_left * returns, columns[names.ANCHOR_GROUP_IDS])
        goes_on = columns[names.NEXT_ANCHOR_GROUP_IDS] >= 0
        return values, np.where(goes_on, next_values(values, trajectory_ids, step_ids), returns)

"""BiPACE-Q: the mean return of an action in a state, less the mean return of the state.

Source: BiPACE, arXiv 2606.25556. Its states are clusters by bisimulation; here they are anchors.

    A_{i,t} = Q(s, a) - V(s)
    Q(s, a) = mean of the step returns of the rows of the task with the same state and action
    V(s) = mean of the step returns of the rows of the task with the same state

For an action that was seen once in a state, V(s) is the mean of the other rows of the state. Two
actions are the same if their texts are. Penalties lower the returns, as for GiGPO's A^S.
Degenerate cases: a state that was seen once gives 0, and so does a state in which all rows took the
same action: 0 is all that is left if no state recurs, unless ``episode_term`` adds A^E.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.advantages import episode_advantages
from rllib_gigpo.credit.group_statistics import group_means, group_sizes
from rllib_gigpo.credit.rules.credit_rule import Advantages, CreditRule


@dataclass(frozen=True, slots=True, kw_only=True)
class BiPACEQRule(CreditRule):
    """Actions against the other actions of a state.

    Attributes:
        episode_term: Whether to add A^E with F = 1, less the row's penalty.
    """

    name: ClassVar[str] = "bipace_q"
    needs: ClassVar[frozenset[str] | None] = frozenset(
        {
            names.GROUP_IDS,
            names.TRAJECTORY_IDS,
            names.ACTION_IDS,
            names.EPISODE_RETURNS,
            names.STEP_RETURNS,
            names.ANCHOR_GROUP_IDS,
            names.ROW_PENALTIES,
        }
    )

    episode_term: bool = False

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Compare the actions of each state; see the base class."""
        penalties, states = columns[names.ROW_PENALTIES], columns[names.ANCHOR_GROUP_IDS]
        step = action_advantages(
            columns[names.STEP_RETURNS] - penalties, states, columns[names.ACTION_IDS]
        )
        episode = np.zeros_like(step)
        if self.episode_term:
            episode = episode_advantages(
                columns[names.EPISODE_RETURNS],
                columns[names.GROUP_IDS],
                columns[names.TRAJECTORY_IDS],
                divide_by_std=False,
            )
            episode = episode - penalties
        return Advantages(episode=episode, step=step, total=episode + step)


def action_advantages(
    step_returns: np.ndarray, state_ids: np.ndarray, action_ids: np.ndarray
) -> np.ndarray:
    """Return Q(s, a) - V(s) of each row.

    Args:
        step_returns: (R,) The discounted return from each step on.
        state_ids: (R,) int64, the anchor group of each row.
        action_ids: (R,) int64, equal for equal actions.

    Returns:
        (R,) float64; exactly 0 for a state with one row, one action, or equal returns.
    """
    _, pair_ids = np.unique(np.stack([state_ids, action_ids]), axis=1, return_inverse=True)
    pair_ids = pair_ids.reshape(-1)
    advantages = group_means(step_returns, pair_ids) - group_means(step_returns, state_ids)
    num_rows = group_sizes(state_ids)
    is_lone = (group_sizes(pair_ids) == 1) & (num_rows > 1)
    # R less the mean of the n - 1 others is n / (n - 1) times R less the mean of all.
    return np.where(is_lone, advantages * num_rows / np.maximum(num_rows - 1, 1), advantages)

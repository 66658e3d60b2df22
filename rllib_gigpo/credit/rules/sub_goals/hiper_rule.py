"""HiPER: an answer's decision to switch, its sub-goal and its action each get their own credit.

Paper: HiPER, arXiv 2602.16165. Episode i is cut into segments of steps with the same sub-goal;
segment k has the steps b_k .. b_{k+1} - 1, n_k of them.

    V(s) = mean of the step returns in the anchor group of s; 0 after the last step
    δ_t = r_t + γ V(s_{t+1}) - V(s_t)
    action:    A_t = Σ_{l>=0} (γ λ_turn)^l δ_{t+l}, up to the end of the segment, so that it
               bootstraps from the state in which the next segment starts
    sub-goal:  δ_k = Σ_{t in k} γ^{t-b_k} r_t + γ^{n_k} V(s_{b_{k+1}}) - V(s_{b_k}),
               A_k = δ_k + γ^{n_k} λ_segment A_{k+1}; 0 in steps that start no segment
    switch:    A_t = return from t to the end of the segment + γ^{b_{k+1}-t} V(s_{b_{k+1}}) - V(s_t)

Each kind is standardised over the rows of the batch (with several agents: of the role) that have
such tokens: (x - mean) / (biased std + 1e-6). The row's penalty is subtracted before.

Two things are ours: values of anchor groups in the place of the paper's critic (`hiper_critic` has
one), and one value for all decisions, where the paper's critic has a head for each. We know the
paper from a summary of its code, which gives no λ: we chose 0.95.

Degenerate cases: without valid blocks an episode is one segment whose tokens all count as action,
so A_t is that of `anchor_gae` before the standardisation; if every step switches, A_k with
λ_segment is the same GAE, and the action gets δ_t. The residuals of a state seen once cancel. Rows
without spread give exactly 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.batch.sub_goal_step import TokenLevel
from rllib_gigpo.credit.gae import accumulate, next_values, step_rewards
from rllib_gigpo.credit.group_statistics import centred, group_means
from rllib_gigpo.credit.rules.credit_rule import Advantages, CreditRule, per_token
from rllib_gigpo.credit.rules.sub_goals.segments import across_segments, segment_ids
from rllib_gigpo.options.records import require

HIPER_COLUMNS = frozenset(
    {
        names.TRAJECTORY_IDS,
        names.STEP_IDS,
        names.STEP_RETURNS,
        names.ROW_PENALTIES,
        names.RESPONSE_LENGTHS,
        names.SEGMENT_STARTS,
        names.TOKEN_LEVELS,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HiPERRule(CreditRule):
    """Hierarchical advantages over the values of anchor groups.

    Attributes:
        gamma: Discount per step.
        turn_lambda: λ of GAE between the steps of a segment: 1 relies on the returns, 0 on the
            values.
        segment_lambda: λ of GAE between the segments of an episode.
    """

    name: ClassVar[str] = "hiper"
    needs: ClassVar[frozenset[str] | None] = HIPER_COLUMNS | {names.ANCHOR_GROUP_IDS}

    gamma: float = 0.95
    turn_lambda: float = 0.95
    segment_lambda: float = 0.95

    def __post_init__(self) -> None:
        """Reject a λ out of range."""
        require(self, turn_lambda=">= 0, <= 1", segment_lambda=">= 0, <= 1")

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Compute the advantages of all three kinds; see the base class."""
        levels = self.levels(columns)
        lengths, penalties = columns[names.RESPONSE_LENGTHS], columns[names.ROW_PENALTIES]
        rows = np.repeat(np.arange(len(lengths)), lengths)
        tokens = np.zeros(len(rows))
        _, roles = np.unique(columns.get(names.ROLES, penalties * 0), return_inverse=True)
        for level, advantages in levels.items():
            here = columns[names.TOKEN_LEVELS] == level
            has_any = np.bincount(rows[here], minlength=len(lengths)) > 0
            if level == TokenLevel.SUB_GOAL:
                has_any &= columns[names.SEGMENT_STARTS]
            tokens[here] = _standardised(advantages - penalties, has_any, roles)[rows[here]]
        return per_token(tokens, lengths)

    def levels(self, columns: Mapping[str, np.ndarray]) -> dict[TokenLevel, np.ndarray]:
        """Return the advantages (R,) of each kind of token, before they are standardised."""
        order = columns[names.TRAJECTORY_IDS], columns[names.STEP_IDS]
        starts = columns[names.SEGMENT_STARTS]
        values, after_the_end = self.values(columns)
        rewards = step_rewards(columns[names.STEP_RETURNS], *order, gamma=self.gamma)
        following = next_values(values, *order) + after_the_end
        residuals = rewards + self.gamma * following - values
        within = segment_ids(starts, *order), columns[names.STEP_IDS]
        # The residuals from t to the end of the segment add up to its return less V(s_t).
        to_the_end = accumulate(residuals, *within, decay=self.gamma)
        return {
            TokenLevel.ACTION: accumulate(residuals, *within, decay=self.gamma * self.turn_lambda),
            TokenLevel.SUB_GOAL: across_segments(
                to_the_end, starts, *order, gamma=self.gamma, gae_lambda=self.segment_lambda
            ),
            TokenLevel.SWITCH: to_the_end,
        }

    def values(self, columns: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return V (R,) of each row's state, and of what follows the last row of an episode."""
        values = group_means(columns[names.STEP_RETURNS], columns[names.ANCHOR_GROUP_IDS])
        return values, np.zeros_like(values)


def _standardised(values: np.ndarray, counts: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Standardise the values (R,) by label, for rows that count, (R,) bool; others become 0."""
    result = np.zeros(len(values))
    result[counts] = centred(values[counts], labels[counts], divide_by_std=True, unbiased=False)
    return result

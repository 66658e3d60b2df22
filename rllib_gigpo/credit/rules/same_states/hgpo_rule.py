"""HGPO: anchor groups by the last k states, k = 1, 2, ..., with a weight for each k.

Paper: Hierarchy-of-Groups Policy Optimization, arXiv 2602.22817; the weights and the degenerate
cases follow its published code.

    A_{i,t} = Σ_k w_k · a_k,  w_k ∝ (k + level_offset)^α
    a_k = (R_{i,t} - mean) / F over the rows of the task with the same last k anchors, k = 1 .. K+1

F is the *biased* standard deviation + 1e-6, or 1. ``episode_term`` adds GiGPO's A^E, less the row's
penalty, as level k = 0.
Degenerate cases: a level whose a_k is exactly 0 (a group of one, or without spread) is left out and
the other weights are rescaled; without any level A is 0. The first k - 1 steps of an episode have
no level k.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.advantages import episode_advantages
from rllib_gigpo.credit.group_statistics import centred
from rllib_gigpo.credit.rules.credit_rule import Advantages, CreditRule
from rllib_gigpo.options.records import require


@dataclass(frozen=True, slots=True, kw_only=True)
class HGPORule(CreditRule):
    """Step advantages, averaged over nested groups.

    Attributes:
        anchor_context: Number of earlier states that the rows of the deepest level share, K; the
            paper uses the length of the history in the prompt.
        level_weight_alpha: Exponent of the level weights, α; 0 weighs all levels equally.
        level_offset: 1 for the weights of the published code (2:3:4 at α = 1), 0 for 1:2:3.
        episode_term: Whether to add A^E as a level of weight 1.
        normalize_by_std: Whether to divide by the standard deviation, F; otherwise F is 1.
    """

    name: ClassVar[str] = "hgpo"
    needs: ClassVar[frozenset[str] | None] = frozenset(
        {
            names.GROUP_IDS,
            names.TRAJECTORY_IDS,
            names.STEP_IDS,
            names.EPISODE_RETURNS,
            names.STEP_RETURNS,
            names.ANCHOR_GROUP_IDS,
            names.ROW_PENALTIES,
        }
    )

    anchor_context: int = 2
    level_weight_alpha: float = 1.0
    level_offset: Literal[0, 1] = 1
    episode_term: bool = False
    normalize_by_std: bool = True

    def __post_init__(self) -> None:
        """Reject a negative number of states."""
        require(self, anchor_context=">= 0")

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Average the levels that are not 0; see the base class."""
        penalties = columns[names.ROW_PENALTIES]
        returns = columns[names.STEP_RETURNS] - penalties
        weighted, weights = np.zeros_like(returns), np.zeros_like(returns)
        for level, (labels, has_level) in enumerate(self._levels(columns), start=1):
            advantages = np.zeros_like(returns)
            advantages[has_level] = centred(
                returns[has_level],
                labels[has_level],
                divide_by_std=self.normalize_by_std,
                unbiased=False,
            )
            weight = (level + self.level_offset) ** self.level_weight_alpha
            weighted += weight * advantages
            weights += weight * (advantages != 0.0)
        episode = np.zeros_like(returns)
        if self.episode_term:
            compared = episode_advantages(
                columns[names.EPISODE_RETURNS],
                columns[names.GROUP_IDS],
                columns[names.TRAJECTORY_IDS],
                divide_by_std=self.normalize_by_std,
            )
            episode = compared - penalties
        shares = np.maximum(weights + (episode != 0.0), 1e-300)
        step = weighted / shares
        return Advantages(episode=episode, step=step, total=step + episode / shares)

    def _levels(self, columns: Mapping[str, np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield for k = 1 .. K+1 labels of the last k anchors, and which rows have that many."""
        trajectory_ids = columns[names.TRAJECTORY_IDS]
        order = np.lexsort((columns[names.STEP_IDS], trajectory_ids))
        anchors = columns[names.ANCHOR_GROUP_IDS][order]
        has_previous = np.zeros(len(order), dtype=bool)
        has_previous[1:] = trajectory_ids[order][1:] == trajectory_ids[order][:-1]
        labels, has_level = anchors, np.ones(len(order), dtype=bool)
        for _ in range(self.anchor_context + 1):
            yield _unsorted(labels, order), _unsorted(has_level, order)
            # The last k+1 anchors of a row are the last k of the row before it and its own.
            before = np.concatenate([labels[:1], labels[:-1]])
            _, labels = np.unique(np.stack([before, anchors]), axis=1, return_inverse=True)
            labels = labels.reshape(-1)
            has_level = has_previous & np.concatenate([has_level[:1], has_level[:-1]])


def _unsorted(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    result = np.empty_like(values)
    result[order] = values
    return result

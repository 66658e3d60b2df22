"""ProxMO: each step against all steps of its task, weighted by how similar their states are.

Source: ProxMO. It leaves open the weight of its episode level, the temperature and how texts are
split into terms; the choices here are 1, 0.1 and white space.

    A_{i,t} = w_E · A^E(τ_i) + w · A^S_{i,t}
    A^S_{i,t} = R_{i,t} - Σ_j p_j R_j over the rows j of the task
    p_j = softmax over j of cos(s_{i,t}, s_j) / temperature

cos is the cosine of the TF-IDF vectors of two anchors; those of one anchor group are the same
state. The vectors are fitted to the different anchors of the task, with scikit-learn's defaults.
Anchors need to be text, and ``penalties`` lower the returns, as for GiGPO's A^S.
Degenerate cases: a lone row, or a task without spread, gives exactly 0. States need not recur: if
none does, a step is still compared with those from similar states, and the result is not A^E. For
a temperature near 0 only the same states count, and the result is GiGPO's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.anchor_checks import check_text
from rllib_gigpo.credit.rules.credit_rule import Advantages
from rllib_gigpo.credit.rules.episode_level import EPISODE_COLUMNS, EpisodeLevel
from rllib_gigpo.credit.text_similarity import check_tfidf, tfidf_cosines
from rllib_gigpo.options.records import require


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxMORule(EpisodeLevel):
    """Weighted sum of the episode advantage and one among similar states.

    Attributes:
        step_weight: w.
        temperature: How far similarity reaches, above 0: near 0, only the same states are compared;
            a large one compares all steps of the task alike.
        normalize_by_std: Whether A^E is divided by the standard deviation; A^S never is.
        reward_normalization: Always None, because there are no groups of steps to normalise.
    """

    name: ClassVar[str] = "proxmo"
    needs: ClassVar[frozenset[str] | None] = EPISODE_COLUMNS | {
        names.STEP_RETURNS,
        names.ANCHORS,
        names.ANCHOR_GROUP_IDS,
    }

    step_weight: float = 1.0
    temperature: float = 0.1
    normalize_by_std: bool = False
    reward_normalization: None = None

    def __post_init__(self) -> None:
        """Reject a temperature out of range, and check that scikit-learn is installed."""
        EpisodeLevel.__post_init__(self)  # super() does not work in a class with slots
        require(self, temperature="> 0")
        check_tfidf()

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Add the two weighted levels; see the base class."""
        returns = columns[names.STEP_RETURNS] - columns[names.ROW_PENALTIES]
        anchors, group_ids = columns[names.ANCHORS], columns[names.GROUP_IDS]
        check_text(anchors, 'rule="gigpo"')
        step = np.zeros_like(returns)
        for group_id in np.unique(group_ids):
            rows = np.flatnonzero(group_ids == group_id)
            _, first, states = np.unique(
                columns[names.ANCHOR_GROUP_IDS][rows], return_index=True, return_inverse=True
            )
            texts = [anchors[rows[row]] for row in first]
            step[rows] = self.against_similar(returns[rows], texts, states)
        episode = self.episode_level(columns)
        total = self.episode_weight * episode + self.step_weight * step
        return Advantages(episode=episode, step=step, total=total)

    def against_similar(
        self, returns: np.ndarray, texts: Sequence[str], states: np.ndarray
    ) -> np.ndarray:
        """Compare the rows of one task.

        Args:
            returns: (K,) The step returns.
            texts: The different states.
            states: (K,) int64, the state of each row.

        Returns:
            (K,) float64.
        """
        # Relative to one of them, equal returns are exactly 0.
        relative = returns - returns[0]
        counts = np.bincount(states, minlength=len(texts))
        sums = np.bincount(states, relative, len(texts))
        nearness = np.exp((tfidf_cosines(texts) - 1.0) / self.temperature)
        return relative - ((nearness @ sums) / (nearness @ counts))[states]

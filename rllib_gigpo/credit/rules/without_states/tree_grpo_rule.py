"""Tree-GRPO: each episode against those of its tree, and against all episodes of the task.

Paper: Tree Search for LLM Agent Reinforcement Learning, arXiv 2509.21240; the second form is that
of its published code (AMAP-ML/Tree-GRPO).

    "sum":    A_{i,t} = z(R(τ_i); tree) + z(R(τ_i); task)
    "nested": A_{i,t} = z(z(R(τ_i); task); tree)
    z(x; group) = (x - mean) / F over the episodes of the group

F is the unbiased standard deviation + 1e-6, or 1. A tree is an episode with all episodes that fork
off it, fork after fork (``group_plan="random"``), and R(τ) includes the rewards of repeated steps.
Degenerate cases: an episode that no other one forks off, and that forks off none, is a tree of one,
so z within the tree is 0. Without any fork, "sum" is GRPO and "nested" is 0 everywhere. A group
without spread gives exactly 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.advantages import episode_advantages
from rllib_gigpo.credit.rules.credit_rule import Advantages, CreditRule


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeGRPORule(CreditRule):
    """Episode advantages within trees and between them.

    Attributes:
        levels: How the two are put together: "sum" as in the paper, or "nested" as in the code.
        normalize_by_std: Whether to divide by the standard deviation, F; otherwise F is 1.
    """

    name: ClassVar[str] = "tree_grpo"
    needs: ClassVar[frozenset[str] | None] = frozenset(
        {
            names.GROUP_IDS,
            names.TREE_IDS,
            names.TRAJECTORY_IDS,
            names.EPISODE_RETURNS,
            names.ROW_PENALTIES,
        }
    )

    levels: Literal["sum", "nested"] = "sum"
    normalize_by_std: bool = True

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Compare on both levels, and subtract row penalties; see the base class."""
        returns = columns[names.EPISODE_RETURNS]
        between = self._compared(returns, columns[names.GROUP_IDS], columns)
        if self.levels == "nested":
            episode = self._compared(between, columns[names.TREE_IDS], columns)
        else:
            episode = between + self._compared(returns, columns[names.TREE_IDS], columns)
        episode = episode - columns[names.ROW_PENALTIES]
        return Advantages(episode=episode, step=np.zeros_like(episode), total=episode)

    def _compared(
        self, scores: np.ndarray, labels: np.ndarray, columns: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        trajectory_ids = columns[names.TRAJECTORY_IDS]
        return episode_advantages(
            scores, labels, trajectory_ids, divide_by_std=self.normalize_by_std
        )

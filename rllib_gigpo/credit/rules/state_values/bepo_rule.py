"""Gated BEPO: Bellman values of the visited states, used where the agent had a choice.

Source: Gated-BEPO. How it mixes the credit of steps and of episodes is not given in what we could
read: here they are added.

    A_{i,t} = w_E · A^E(τ_i) + w · g(s_{i,t}) · A^B_{i,t}
    V(s) = mean over the visits of s of r + γ V(s'),  V = 0 after the last step
    δ_{i,t} = r_{i,t} + γ V(s_{i,t+1}) - V(s_{i,t})
    A^B_{i,t} = Σ_{l>=0} (γλ)^l δ_{i,t+l}, then centred over the task's open steps, divided by F

The gate g(s) is 1 (open) if at least two different states, or ends, were seen to follow s, and
otherwise 0. F is 1, or the unbiased standard deviation + 1e-6.
V is the fixed point: unlike a mean of returns it lets a state profit from a good continuation that
another episode found. Penalties lower the rewards (mode "return"), or the row's A^E and A^B.
Degenerate cases: without recurring states no gate is open and the result is exactly A^E; a state
whose steps all lead to one state gets the episode's credit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.gae import accumulate, step_rewards
from rllib_gigpo.credit.rules.credit_rule import Advantages
from rllib_gigpo.credit.rules.episode_level import EPISODE_COLUMNS, EpisodeLevel
from rllib_gigpo.credit.rules.state_values.visited_graph import GRAPH_COLUMNS, VisitedGraph
from rllib_gigpo.options.records import require


@dataclass(frozen=True, slots=True, kw_only=True)
class BEPORule(EpisodeLevel):
    """Weighted sum of the episode advantage and, behind a gate, GAE over Bellman values.

    Attributes:
        gamma: Discount per step.
        gae_lambda: λ of GAE: 1 relies on the returns, 0 on the values.
        step_weight: w.
    """

    name: ClassVar[str] = "bepo"
    needs: ClassVar[frozenset[str] | None] = (
        EPISODE_COLUMNS | GRAPH_COLUMNS | {names.STEP_IDS, names.STEP_RETURNS}
    )

    gamma: float = 0.95
    gae_lambda: float = 0.95
    step_weight: float = 1.0

    def __post_init__(self) -> None:
        """Reject a λ out of range, and options that exclude each other."""
        EpisodeLevel.__post_init__(self)  # super() does not work in a class with slots
        require(self, gae_lambda=">= 0, <= 1")

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Add the two weighted levels; see the base class."""
        graph = VisitedGraph.of(columns)
        is_open = graph.num_successors()[graph.sources] > 1
        steps = self.bellman_advantages(graph, columns) - columns[names.ROW_PENALTIES]
        step = np.zeros_like(steps)
        step[is_open] = self.compare_rows(steps[is_open], columns[names.GROUP_IDS][is_open])
        episode = self.episode_level(columns)
        total = self.episode_weight * episode + self.step_weight * step
        return Advantages(episode=episode, step=step, total=total)

    def bellman_advantages(
        self, graph: VisitedGraph, columns: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Return Σ (γλ)^l δ_{t+l} of each step, (R,)."""
        order = columns[names.TRAJECTORY_IDS], columns[names.STEP_IDS]
        rewards = step_rewards(columns[names.STEP_RETURNS], *order, gamma=self.gamma)
        values = np.concatenate([graph.values(rewards, gamma=self.gamma), np.zeros(2)])
        residuals = rewards + self.gamma * values[graph.targets] - values[graph.sources]
        return accumulate(residuals, *order, decay=self.gamma * self.gae_lambda)

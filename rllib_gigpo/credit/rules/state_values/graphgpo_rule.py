"""GraphGPO: a step is good if it leads closer to success, in the graph of all visited states.

Source: GraphGPO, arXiv 2605.26684; the details follow a public reproduction (redai-infra/Relax,
``examples/graphgpo``).

    A_{i,t} = w_E · A^E(τ_i) + w · A^G_{i,t}
    A^G_{i,t} = (R^G_{i,t} - mean) / F over the steps of the task from the same state
    R^G_{i,t} = 10 · ω^{d(s_{i,t+1})}

The graph of a task has an edge for each step, and one from the last step of each successful episode
to success. d(s) is the number of steps on the shortest path from s to success. States without such
a path, and the ends of failed episodes, have the largest d of the task plus 1. The paper writes
ω^{d + 1}; the code, and the default here, ω^d.
Degenerate cases: without any success all d are 1, so A^G is 0; a state that is left once, or whose
next states are equally far, has A^G = 0; if no state recurs, the result is exactly A^E.
The penalty of a row (``penalties={"mode": "row"}``) lowers its R^G and its A^E.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from rllib_gigpo import columns as names
from rllib_gigpo.credit.group_statistics import numbered
from rllib_gigpo.credit.rules.credit_rule import Advantages
from rllib_gigpo.credit.rules.episode_level import EPISODE_COLUMNS, EpisodeLevel
from rllib_gigpo.credit.rules.state_values.visited_graph import GRAPH_COLUMNS, VisitedGraph
from rllib_gigpo.options.records import require


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphGPORule(EpisodeLevel):
    """Weighted sum of the episode advantage and one by distance to success.

    Attributes:
        step_weight: w.
        normalize_by_std: Whether to divide by the standard deviation, F; otherwise F is 1.
        distance_decay: ω, in (0, 1).
        success_reward: R^G of a step into success: 10, as the environments of the paper pay.
        convention: The exponent of ω: "code" for d, "paper" for d + 1.
    """

    name: ClassVar[str] = "graphgpo"
    needs: ClassVar[frozenset[str] | None] = EPISODE_COLUMNS | GRAPH_COLUMNS

    step_weight: float = 1.0
    normalize_by_std: bool = True
    distance_decay: float = 0.1
    success_reward: float = 10.0
    convention: Literal["code", "paper"] = "code"

    def __post_init__(self) -> None:
        """Reject a decay out of range, and options that exclude each other."""
        EpisodeLevel.__post_init__(self)  # super() does not work in a class with slots
        require(self, distance_decay="> 0, < 1", success_reward="> 0")

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Add the two weighted levels; see the base class."""
        exponents = distances_after(VisitedGraph.of(columns), columns[names.GROUP_IDS])
        if self.convention == "paper":
            exponents = exponents + 1
        rewards = self.success_reward * self.distance_decay**exponents
        step = self.compare_steps(rewards - columns[names.ROW_PENALTIES], columns)
        episode = self.episode_level(columns)
        total = self.episode_weight * episode + self.step_weight * step
        return Advantages(episode=episode, step=step, total=total)


def distances_after(graph: VisitedGraph, group_ids: np.ndarray) -> np.ndarray:
    """Return d of the state after each step.

    Args:
        graph: The graph of R steps.
        group_ids: (R,) The task group of each step.

    Returns:
        (R,) float64, finite: without a path to success, the largest d of the task plus 1.
    """
    groups, num_groups = numbered(group_ids)
    distances = graph.steps_to_success()
    before, after = distances[graph.sources], distances[graph.targets]
    is_near = np.isfinite(before)
    largest = np.zeros(num_groups)
    np.maximum.at(largest, groups[is_near], before[is_near])
    return np.where(np.isfinite(after), after, largest[groups] + 1)

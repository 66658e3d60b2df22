"""The graph of the states that the episodes of a task visited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rllib_gigpo import columns as names

GRAPH_COLUMNS = frozenset({names.ANCHOR_GROUP_IDS, names.NEXT_ANCHOR_GROUP_IDS, names.WON})


@dataclass(frozen=True, slots=True)
class VisitedGraph:
    """One edge for each of the R steps of a batch, between n states and two ends.

    States of different tasks are never the same, so the tasks are separate parts of the graph.

    Attributes:
        sources: (R,) int64, the state before each step, in [0, n).
        targets: (R,) int64, the state after it; n where an episode ended without success, and
            n + 1 where it ended with success.
        num_states: n.
    """

    sources: np.ndarray
    targets: np.ndarray
    num_states: int

    @classmethod
    def of(cls, columns: Mapping[str, np.ndarray]) -> VisitedGraph:
        """Read the graph from the columns of a batch, see `GRAPH_COLUMNS`."""
        labels, sources = np.unique(columns[names.ANCHOR_GROUP_IDS], return_inverse=True)
        following, num_states = columns[names.NEXT_ANCHOR_GROUP_IDS], len(labels)
        ends = num_states + columns[names.WON].astype(np.int64)
        targets = np.where(following >= 0, np.searchsorted(labels, following), ends)
        return cls(sources, targets, num_states)

    def steps_to_success(self) -> np.ndarray:
        """Return the length of the shortest path to success: (n + 2,) float64, inf without one."""
        from scipy.sparse import csgraph, csr_array

        size, goal = self.num_states + 2, self.num_states + 1
        backwards = csr_array(
            (np.ones(len(self.sources)), (self.targets, self.sources)), shape=(size, size)
        )
        return csgraph.dijkstra(backwards, indices=goal, unweighted=True)

    def num_successors(self) -> np.ndarray:
        """Count the different targets of each state's steps: (n,) int64, both ends counted."""
        edges = np.unique(np.stack([self.sources, self.targets]), axis=1)
        return np.bincount(edges[0], minlength=self.num_states)

    def values(self, rewards: np.ndarray, *, gamma: float) -> np.ndarray:
        """Solve V(s) = mean over the visits of s of r + γ·V(s'), with V = 0 at both ends.

        Every visit is followed by the end of its episode, so there is one solution, also at γ = 1.

        Args:
            rewards: (R,) The reward of each step.
            gamma: Discount per step, in (0, 1].

        Returns:
            (n,) float64.
        """
        from scipy.sparse import csc_array, eye_array
        from scipy.sparse.linalg import spsolve

        visits = np.bincount(self.sources, minlength=self.num_states)
        goes_on = self.targets < self.num_states
        sources, targets = self.sources[goes_on], self.targets[goes_on]
        shape = (self.num_states, self.num_states)
        moves = csc_array((gamma / visits[sources], (sources, targets)), shape=shape)
        means = np.bincount(self.sources, rewards, self.num_states) / visits
        return spsolve(eye_array(self.num_states, format="csc") - moves, means)

"""One parcel to deliver on a map: what each word does, and the shortest ways to the end."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..common.walled_map import MOVES, Cell, WalledMap

TAKE, DROP = "take", "drop"


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """Where everything is.

    Attributes:
        agent: The agent's cell.
        parcel: The cell where the parcel lies; None while the agent carries it.
    """

    agent: Cell
    parcel: Cell | None


@dataclass(frozen=True)
class DeliveryTask:
    """A map, and a depot where the parcel lies at first.

    Attributes:
        map: From the agent's first cell to the door, which is its goal.
        depot: A cell that is neither of these.
    """

    map: WalledMap
    depot: Cell

    @classmethod
    def draw(cls, rng: np.random.Generator, *, size: int, num_walls: int) -> DeliveryTask:
        """Draw a task; a wall that would cut off agent, depot or door is left out.

        Args:
            rng: Source of randomness.
            size: Number of rows and of columns, at least 2.
            num_walls: Number of walls, or as many as leave the ways.
        """
        order = [divmod(int(cell), size) for cell in rng.permutation(size * size)]
        start, depot, door, *others = order
        bare = WalledMap(size, start=start, goal=door)
        return cls(bare.with_walls(others, num_walls=num_walls, linked=[depot]), depot)

    @property
    def start(self) -> DeliveryState:
        """The first state: the parcel lies in the depot."""
        return DeliveryState(self.map.start, self.depot)

    def after(self, state: DeliveryState, word: str) -> DeliveryState:
        """Return where a word leads; one without an effect leads to the same state."""
        if word in MOVES:
            return replace(state, agent=self.map.after(state.agent, word))
        if word == TAKE and state.parcel == state.agent:
            return replace(state, parcel=None)
        if word == DROP and state.parcel is None:
            return replace(state, parcel=state.agent)
        return state

    def is_delivered(self, state: DeliveryState) -> bool:
        """Return whether the parcel lies at the door."""
        return state.parcel == self.map.goal

    def steps_left(self, state: DeliveryState) -> int:
        """Return the fewest steps to the delivery: to the parcel, "take", to the door, "drop"."""
        if self.is_delivered(state):
            return 0
        if state.parcel is None:
            return self.map.distances[state.agent] + 1
        way = replace(self.map, goal=state.parcel)
        return way.distances[state.agent] + 1 + self.map.distances[state.parcel] + 1

    def best_word(self, state: DeliveryState) -> str | None:
        """Return the first word of a shortest solution; None once it is delivered."""
        if self.is_delivered(state):
            return None
        way = self.map if state.parcel is None else replace(self.map, goal=state.parcel)
        if state.agent == way.goal:
            return DROP if state.parcel is None else TAKE
        return way.best_moves(state.agent)[0]

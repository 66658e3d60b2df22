"""The rules of Sokoban: boards, states and moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

MOVES: Final = ("up", "down", "left", "right")

WALL, FLOOR, TARGET, BOX, BOX_ON_TARGET, PLAYER, PLAYER_ON_TARGET = "#_OX√PS"


class State(NamedTuple):
    """The part of a level that moves change; cells are numbered row by row from 0."""

    player: int
    boxes: frozenset[int]


@dataclass(frozen=True, slots=True)
class Board:
    """The part of a level that never changes; the border consists of walls.

    Attributes:
        height: Number of rows.
        width: Number of columns.
        walls: Cells of the walls.
        targets: Cells to push the boxes onto.
    """

    height: int
    width: int
    walls: frozenset[int]
    targets: frozenset[int]

    def offset(self, move: str) -> int:
        """Return the change in cell number that a move causes."""
        return {"up": -self.width, "down": self.width, "left": -1, "right": 1}[move]

    @property
    def offsets(self) -> tuple[tuple[str, int], ...]:
        """All moves with their offsets."""
        return tuple((move, self.offset(move)) for move in MOVES)

    def is_solved(self, state: State) -> bool:
        """Return whether every box is on a target."""
        return state.boxes <= self.targets

    def num_placed(self, state: State) -> int:
        """Count the boxes on targets."""
        return len(state.boxes & self.targets)

    def after(self, state: State, move: str) -> State:
        """Return the state after a move, or the same state if a wall or second box blocks it."""
        offset = self.offset(move)
        ahead = state.player + offset
        if ahead in self.walls:
            return state
        if ahead not in state.boxes:
            return State(ahead, state.boxes)
        beyond = ahead + offset
        if beyond in self.walls or beyond in state.boxes:
            return state
        return State(ahead, state.boxes - {ahead} | {beyond})

    def routes(self, state: State) -> dict[int, tuple[str, ...]]:
        """Return the moves of a shortest walk, without pushing, to each reachable cell."""
        routes: dict[int, tuple[str, ...]] = {state.player: ()}
        queue = [state.player]
        offsets = self.offsets
        for cell in queue:  # breadth first: the loop extends the queue
            for move, offset in offsets:
                neighbour = cell + offset
                if neighbour not in routes and self.is_free(neighbour, state):
                    routes[neighbour] = (*routes[cell], move)
                    queue.append(neighbour)
        return routes

    def is_free(self, cell: int, state: State) -> bool:
        """Return whether a cell has neither a wall nor a box."""
        return cell not in self.walls and cell not in state.boxes

    def rows(self, state: State) -> Iterator[list[str]]:
        """Yield the symbols of each row."""
        for row in range(self.height):
            start = row * self.width
            yield [self._symbol(cell, state) for cell in range(start, start + self.width)]

    def _symbol(self, cell: int, state: State) -> str:
        if cell in self.walls:
            return WALL
        is_target = cell in self.targets
        if cell in state.boxes:
            return BOX_ON_TARGET if is_target else BOX
        if cell == state.player:
            return PLAYER_ON_TARGET if is_target else PLAYER
        return TARGET if is_target else FLOOR

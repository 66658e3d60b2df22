"""Small maps with walls, a start and a goal, and the ways to the goal."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

Cell = tuple[int, int]  # (row, column)

MOVES: dict[str, Cell] = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
"""The change of row and column of each move."""


@dataclass(frozen=True)
class WalledMap:
    """A square map.

    Attributes:
        size: Number of rows and of columns.
        start: Where the walker begins.
        goal: Where it should go; there is a way.
        walls: The cells that cannot be entered.
    """

    size: int
    start: Cell
    goal: Cell
    walls: frozenset[Cell] = frozenset()

    @classmethod
    def draw(cls, rng: np.random.Generator, *, size: int, num_walls: int) -> WalledMap:
        """Draw a map; a wall that would cut the goal off is left out.

        Args:
            rng: Source of randomness.
            size: Number of rows and of columns, at least 2.
            num_walls: Number of walls, or as many as leave a way.
        """
        order = [divmod(int(cell), size) for cell in rng.permutation(size * size)]
        drawn = cls(size, start=order[0], goal=order[1])
        return drawn.with_walls(order[2:], num_walls=num_walls)

    def with_walls(
        self, cells: Iterable[Cell], *, num_walls: int, linked: Collection[Cell] = ()
    ) -> WalledMap:
        """Return the map with walls on the first cells that can have one.

        Args:
            cells: Where walls may stand, in this order.
            num_walls: Number of walls, or as many as leave a way.
            linked: Cells that keep a way to the goal, as the start does.
        """
        kept, walled = {self.start, *linked}, self
        for cell in cells:
            if len(walled.walls) == num_walls:
                break
            tried = replace(walled, walls=walled.walls | {cell})
            if kept <= tried.distances.keys():
                walled = tried
        return walled

    def is_free(self, cell: Cell) -> bool:
        """Return whether a cell can be entered."""
        return all(0 <= index < self.size for index in cell) and cell not in self.walls

    def after(self, cell: Cell, move: str) -> Cell:
        """Return where a move leads; against a wall or the edge, the walker stays."""
        moved = cell[0] + MOVES[move][0], cell[1] + MOVES[move][1]
        return moved if self.is_free(moved) else cell

    def blocked(self, cell: Cell) -> list[str]:
        """Return the moves that lead nowhere from a cell."""
        return [move for move in MOVES if self.after(cell, move) == cell]

    def best_moves(self, cell: Cell) -> list[str]:
        """Return the moves along shortest ways to the goal; none at the goal."""
        left = self.distances[cell]
        return [move for move in MOVES if self.distances[self.after(cell, move)] < left]

    @cached_property
    def distances(self) -> dict[Cell, int]:
        """The number of moves to the goal, for each cell that has a way."""
        found = {self.goal: 0}
        queue: list[Cell] = [self.goal]
        for cell in queue:  # breadth first: the loop extends the queue
            for move in MOVES:
                near = self.after(cell, move)
                if near not in found:
                    found[near] = found[cell] + 1
                    queue.append(near)
        return found

    def symbols(self, walker: Cell) -> list[list[str]]:
        """Return a symbol for each cell: "W" the walker, "G" the goal, "#" a wall, "." free."""
        return [
            [self._symbol((row, column), walker) for column in range(self.size)]
            for row in range(self.size)
        ]

    def _symbol(self, cell: Cell, walker: Cell) -> str:
        marks: list[tuple[Collection[Cell], str]] = [
            ((walker,), "W"),
            ((self.goal,), "G"),
            (self.walls, "#"),
        ]
        return next((symbol for cells, symbol in marks if cell in cells), ".")

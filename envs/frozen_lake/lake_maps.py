"""Random frozen lakes with a path from the start to the goal."""

from __future__ import annotations

import numpy as np

START, FROZEN, HOLE, GOAL = "SFHG"  # Gymnasium's letters

_MAX_ATTEMPTS = 100
_STEPS = ((0, -1), (1, 0), (0, 1), (-1, 0))

Cell = tuple[int, int]  # (row, column)


def draw_lake(
    rng: np.random.Generator, *, size: int, p: float, random_ends: bool, max_distance: int
) -> tuple[str, ...]:
    """Draw the rows of a lake, in Gymnasium's letters.

    Each cell except start and goal is frozen with probability ``p``. Lakes without a path of at
    most ``max_distance`` steps are drawn again; after many failures, a shortest path is frozen, so
    a small ``p`` cannot hang.

    Args:
        rng: Source of randomness.
        size: Number of rows and of columns.
        p: Probability that a cell is frozen.
        random_ends: Whether to draw start and goal; otherwise they are the upper left and the lower
            right corner.
        max_distance: At least 2 * (size - 1), the greatest distance between two cells.
    """
    start, goal = _draw_ends(rng, size) if random_ends else ((0, 0), (size - 1, size - 1))
    for _ in range(_MAX_ATTEMPTS):
        tiles = np.where(rng.random((size, size)) < p, FROZEN, HOLE)
        tiles[start], tiles[goal] = START, GOAL
        if _distance(tiles, start, goal) <= max_distance:
            return _rows(tiles)
    for cell in _shortest_way(rng, start, goal):
        tiles[cell] = FROZEN
    tiles[start], tiles[goal] = START, GOAL
    return _rows(tiles)


def _draw_ends(rng: np.random.Generator, size: int) -> tuple[Cell, Cell]:
    start, goal = (int(cell) for cell in rng.choice(size * size, 2, replace=False))
    return divmod(start, size), divmod(goal, size)


def _distance(tiles: np.ndarray, start: Cell, goal: Cell) -> float:
    """Return the number of steps from start to goal around the holes; infinite without a path."""
    distances = {start: 0}
    queue = [start]
    for row, column in queue:  # breadth first: the loop extends the queue
        for down, right in _STEPS:
            cell = row + down, column + right
            is_inside = all(0 <= index < len(tiles) for index in cell)
            if is_inside and cell not in distances and tiles[cell] != HOLE:
                distances[cell] = distances[row, column] + 1
                queue.append(cell)
    return distances.get(goal, np.inf)


def _shortest_way(rng: np.random.Generator, start: Cell, goal: Cell) -> list[Cell]:
    """Return the cells of a random shortest path."""
    down, right = goal[0] - start[0], goal[1] - start[1]
    steps = [(int(np.sign(down)), 0)] * abs(down) + [(0, int(np.sign(right)))] * abs(right)
    way = [start]
    for number in rng.permutation(len(steps)):
        way.append((way[-1][0] + steps[number][0], way[-1][1] + steps[number][1]))
    return way


def _rows(tiles: np.ndarray) -> tuple[str, ...]:
    return tuple("".join(row) for row in tiles.tolist())

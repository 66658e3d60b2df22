"""Solvable Sokoban levels, made by playing backwards from the solved state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .board import Board, State

MAX_ATTEMPTS = 2000
"""The number of boards to try before a kind of level counts as impossible."""

_FLOOR_SHARES = (0.45, 0.8)  # of the cells within the border
_TURN_PROBABILITY = 0.4
_PULLS_PER_BOX = (1, 7)
_MAX_FIRST_WALK = 4


@dataclass(frozen=True, slots=True)
class Level:
    """A level and one of its solutions (not always the shortest)."""

    board: Board
    start: State
    solution: tuple[str, ...]


@lru_cache(maxsize=1024)  # all episodes of a group use the same level
def make_level(
    seed: int,
    *,
    height: int,
    width: int,
    num_boxes: int,
    max_moves: int,
    max_attempts: int = MAX_ATTEMPTS,
) -> Level:
    """Draw a level with no box on a target that at most ``max_moves`` moves solve.

    Raises:
        ValueError: No such level was found: the board is too small for the boxes, or there are too
            few moves.
    """
    rng = np.random.default_rng(seed)
    for _ in range(max_attempts):
        floor = _carve(rng, height, width)
        if len(floor) < 2 * num_boxes + 1:
            continue
        targets = frozenset(rng.choice(floor, num_boxes, replace=False).tolist())
        walls = frozenset(range(height * width)) - frozenset(floor)
        level = _play_backwards(rng, Board(height, width, walls, targets), max_moves)
        if level is not None:
            return level
    raise ValueError(
        f"{max_attempts} attempts found no Sokoban level of {height}x{width} with {num_boxes} "
        f"boxes that {max_moves} moves solve. Use a larger dim or fewer boxes, or raise max_steps, "
        "in env_config."
    )


def _carve(rng: np.random.Generator, height: int, width: int) -> list[int]:
    """Dig floor along a random walk and return its cells in order."""
    share = rng.uniform(*_FLOOR_SHARES)
    num_cells = round(share * (height - 2) * (width - 2))
    row, column = int(rng.integers(1, height - 1)), int(rng.integers(1, width - 1))
    steps = ((-1, 0), (1, 0), (0, -1), (0, 1))
    step = steps[rng.integers(4)]
    floor = {row * width + column}
    while len(floor) < num_cells:
        if rng.random() < _TURN_PROBABILITY:
            step = steps[rng.integers(4)]
        row = min(max(row + step[0], 1), height - 2)
        column = min(max(column + step[1], 1), width - 2)
        floor.add(row * width + column)
    return sorted(floor)


def _play_backwards(rng: np.random.Generator, board: Board, max_moves: int) -> Level | None:
    """Pull the boxes off their targets; return None if that fails for any box."""
    free = sorted(frozenset(range(board.height * board.width)) - board.walls - board.targets)
    state = State(int(rng.choice(free)), board.targets)
    num_boxes = len(board.targets)
    num_pulls = num_boxes * int(rng.integers(*_PULLS_PER_BOX, endpoint=True))
    solution: tuple[str, ...] = ()
    level = None
    seen = {state.boxes}
    for _ in range(num_pulls):
        pulls = [
            (before, moves)
            for before, moves in _pulls(board, state)
            if before.boxes not in seen and len(moves) + len(solution) <= max_moves
        ]
        if not pulls:
            break
        # Every box leaves its target first.
        leaving = [pull for pull in pulls if board.num_placed(pull[0]) < board.num_placed(state)]
        choices = leaving or pulls
        state, moves = choices[rng.integers(len(choices))]
        seen.add(state.boxes)
        solution = moves + solution
        if not board.num_placed(state):
            level = Level(board, state, solution)
    return level and _walk_away(rng, level, max_moves)


def _pulls(board: Board, state: State) -> Iterator[tuple[State, tuple[str, ...]]]:
    """Yield each state before a last push, with the moves (push, walk) from it to this state."""
    routes = board.routes(state)
    for box in sorted(state.boxes):
        for move, offset in board.offsets:
            player, before = box - offset, box - 2 * offset
            if player in routes and board.is_free(before, state):
                boxes = state.boxes - {box} | {player}
                yield State(before, boxes), (move, *_backwards(routes[player]))


def _walk_away(rng: np.random.Generator, level: Level, max_moves: int) -> Level:
    """Start the player a few steps from the first push."""
    longest = min(_MAX_FIRST_WALK, max_moves - len(level.solution))
    routes = level.board.routes(level.start)
    starts = sorted(cell for cell, route in routes.items() if len(route) <= longest)
    player = starts[rng.integers(len(starts))]
    solution = _backwards(routes[player]) + level.solution
    return Level(level.board, State(player, level.start.boxes), solution)


def _backwards(route: tuple[str, ...]) -> tuple[str, ...]:
    """Return the moves back along a route."""
    opposite = {"up": "down", "down": "up", "left": "right", "right": "left"}
    return tuple(opposite[move] for move in reversed(route))

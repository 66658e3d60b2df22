"""An optimal solver for small Sokoban levels, and an expert that follows its solutions."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from functools import lru_cache

from .board import Board, State

MAX_EXPANSIONS = 3000
"""The number of states that a search expands before it gives up, which bounds a step's time."""


class SokobanExpert:
    """An expert that follows a solution, and solves again when the player leaves it.

    Args:
        board: The board of the level.
        start: The level's first state.
        solution: Known moves from there, followed unless a search finds fewer.
    """

    def __init__(self, board: Board, start: State, solution: tuple[str, ...]) -> None:
        """Solve the level from its start."""
        self._board = board
        self._plan: dict[State, str | None] = {}
        self._remember(start, solve(board, start) or solution)

    def suggest(self, state: State) -> str | None:
        """Return a move, or None if the state is dead or too hard for the search."""
        if state not in self._plan:
            self._remember(state, solve(self._board, state))
        return self._plan[state]

    def _remember(self, state: State, moves: tuple[str, ...] | None) -> None:
        if not moves:
            self._plan[state] = None
        for move in moves or ():
            self._plan[state] = move
            state = self._board.after(state, move)


@lru_cache(maxsize=4096)  # the episodes of a group reach the same states
def solve(
    board: Board, start: State, *, max_expansions: int = MAX_EXPANSIONS
) -> tuple[str, ...] | None:
    """Return a shortest solution, found by A* over pushes, each with the walk before it.

    The estimate of the moves left sums the pushes that each box needs to its nearest target on a
    board without other boxes, so it is never too high. The result is None if there is no solution,
    or none within ``max_expansions`` states.
    """
    pushes = _pushes_to_target(board)
    estimate = _estimate(start, pushes)
    if estimate is None:
        return None
    known: dict[State, tuple[int, State, tuple[str, ...]]] = {start: (0, start, ())}
    frontier = [(estimate, 0, start)]
    closed: set[State] = set()
    num_pushed = 0  # breaks ties, latest first, so that states are never compared
    while frontier and len(closed) < max_expansions:
        _, _, state = heapq.heappop(frontier)
        if board.is_solved(state):
            return _moves_to(state, known)
        if state in closed:
            continue
        closed.add(state)
        for following, moves in _pushes(board, state):
            cost = known[state][0] + len(moves)
            if following in known and known[following][0] <= cost:
                continue
            estimate = _estimate(following, pushes)
            if estimate is None:
                continue
            known[following] = (cost, state, moves)
            num_pushed += 1
            heapq.heappush(frontier, (cost + estimate, -num_pushed, following))
    return None


def _moves_to(
    state: State, known: dict[State, tuple[int, State, tuple[str, ...]]]
) -> tuple[str, ...]:
    solution: tuple[str, ...] = ()
    while known[state][2]:
        _, state, moves = known[state]
        solution = moves + solution
    return solution


def _pushes(board: Board, state: State) -> Iterator[tuple[State, tuple[str, ...]]]:
    """Yield the state after each possible push, with the walk and the push that lead to it."""
    routes = board.routes(state)
    for box in sorted(state.boxes):
        for move, offset in board.offsets:
            if box - offset in routes and board.is_free(box + offset, state):
                yield (
                    State(box, state.boxes - {box} | {box + offset}),
                    (*routes[box - offset], move),
                )


def _pushes_to_target(board: Board) -> dict[int, int]:
    """Return the fewest pushes from each cell to a target, without cells that reach none."""
    distances = dict.fromkeys(sorted(board.targets), 0)
    queue = list(distances)
    for cell in queue:  # breadth first, by pulls: the loop extends the queue
        for _, offset in board.offsets:
            before, player = cell - offset, cell - 2 * offset
            if before not in distances and not {before, player} & board.walls:
                distances[before] = distances[cell] + 1
                queue.append(before)
    return distances


def _estimate(state: State, pushes: dict[int, int]) -> int | None:
    if not state.boxes <= pushes.keys():
        return None
    return sum(pushes[box] for box in state.boxes)

"""Sokoban states as pictures, drawn with NumPy, without a font or an image library."""

from __future__ import annotations

import numpy as np

from .board import BOX, BOX_ON_TARGET, FLOOR, PLAYER, PLAYER_ON_TARGET, TARGET, WALL, Board, State

CELL = 16
"""Side of a cell in pixels, before it is enlarged."""

_FLOOR_COLOUR = (40, 34, 28)
_BRICK_COLOUR, _MORTAR_COLOUR = (150, 82, 56), (84, 50, 40)
_TARGET_COLOUR = (226, 62, 62)
_BOX_COLOUR, _BOX_EDGE_COLOUR = (214, 160, 72), (120, 80, 30)
_PLACED_COLOUR, _PLACED_EDGE_COLOUR = (96, 190, 96), (30, 100, 40)
_PLAYER_COLOUR, _EYE_COLOUR = (90, 160, 240), (255, 255, 255)


def board_image(board: Board, state: State, scale: int = 1) -> np.ndarray:
    """Draw a state as a uint8 array of shape (16 * scale * rows, 16 * scale * columns, 3)."""
    rows = [np.concatenate([_CELLS[sign] for sign in row], axis=1) for row in board.rows(state)]
    image = np.concatenate(rows, axis=0)
    return image if scale == 1 else image.repeat(scale, axis=0).repeat(scale, axis=1)


def _filled(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((CELL, CELL, 3), colour, np.uint8)


def _wall() -> np.ndarray:
    cell = _filled(_BRICK_COLOUR)
    cell[3::4] = _MORTAR_COLOUR
    for top in range(0, CELL, 8):  # two courses of bricks, the second shifted
        cell[top : top + 4, 7] = _MORTAR_COLOUR
        cell[top + 4 : top + 8, (3, 11)] = _MORTAR_COLOUR
    return cell


def _target(cell: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[:CELL, :CELL] - (CELL - 1) / 2
    cell[abs(y) + abs(x) <= 4] = _TARGET_COLOUR
    return cell


def _box(colour: tuple[int, int, int], edge: tuple[int, int, int]) -> np.ndarray:
    cell = _filled(_FLOOR_COLOUR)
    cell[1:-1, 1:-1] = edge
    cell[3:-3, 3:-3] = colour
    diagonal = np.arange(3, CELL - 3)
    cell[diagonal, diagonal] = edge
    cell[diagonal, CELL - 1 - diagonal] = edge
    return cell


def _player(cell: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[:CELL, :CELL] - (CELL - 1) / 2
    distance = y**2 + x**2
    cell[(distance <= 42) & (distance > 20)] = _PLAYER_COLOUR  # a ring; the cell shows inside
    cell[3:6, (6, 9)] = _EYE_COLOUR
    return cell


_CELLS = {
    WALL: _wall(),
    FLOOR: _filled(_FLOOR_COLOUR),
    TARGET: _target(_filled(_FLOOR_COLOUR)),
    BOX: _box(_BOX_COLOUR, _BOX_EDGE_COLOUR),
    BOX_ON_TARGET: _box(_PLACED_COLOUR, _PLACED_EDGE_COLOUR),
    PLAYER: _player(_filled(_FLOOR_COLOUR)),
    PLAYER_ON_TARGET: _player(_target(_filled(_FLOOR_COLOUR))),
}

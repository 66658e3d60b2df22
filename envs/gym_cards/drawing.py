"""Pictures of cards and short texts, drawn with NumPy and a built-in font."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from .glyphs import GLYPHS

SIDE = 300
IMAGE_SHAPE = (SIDE, SIDE, 3)

_TABLE_COLOUR = (24, 92, 56)
_TEXT_COLOUR = (255, 255, 255)
_CARD_COLOUR, _EDGE_COLOUR, _RANK_COLOUR = (250, 250, 245), (30, 30, 30), (170, 20, 20)

_MARGIN = 20
_CARD_HEIGHT, _CARD_WIDTH = 96, 56
_CARD_GAP = 8
_LINE_GAP = 2  # rows of dots between two lines
_BLANK = np.full(IMAGE_SHAPE, _TABLE_COLOUR, np.uint8)
_RANK_NAMES = {1: "A", 11: "J", 12: "Q", 13: "K"}


def rank_name(rank: int) -> str:
    """Return the label of a card with a rank from 1 to 13."""
    return _RANK_NAMES.get(rank, str(rank))


def blank() -> np.ndarray:
    """Return an empty table, uint8 of shape ``IMAGE_SHAPE``."""
    return _BLANK.copy()


def draw_text(
    canvas: np.ndarray,
    text: str,
    *,
    top: int,
    left: int,
    scale: int,
    colour: tuple[int, int, int] = _TEXT_COLOUR,
) -> None:
    """Write text into the picture, wrapped at the right edge.

    Args:
        canvas: The picture, changed in place.
        text: Characters from ``glyphs.GLYPHS``.
        top: Pixel row of the first line.
        left: Pixel column where lines begin.
        scale: Pixels for each dot of a glyph.
        colour: RGB.
    """
    height, width = (size + 1 for size in next(iter(GLYPHS.values())).shape)
    num_columns = (SIDE - left) // (width * scale)
    for number, character in enumerate(text):
        line, column = divmod(number, num_columns)
        dots = _scaled_glyph(character, scale)
        row = top + line * (height + _LINE_GAP - 1) * scale
        start = left + column * width * scale
        # The slice, and therefore the glyph, ends at the picture's edge.
        area = canvas[row : row + dots.shape[0], start : start + dots.shape[1]]
        area[dots[: area.shape[0], : area.shape[1]]] = colour


@cache  # about thirty characters in three sizes
def _scaled_glyph(character: str, scale: int) -> np.ndarray:
    return np.kron(GLYPHS[character], np.ones((scale, scale), bool))


def draw_hand(canvas: np.ndarray, names: Sequence[str], *, top: int) -> None:
    """Draw cards in a row, overlapping if there are many; each shows its name in a corner."""
    room = SIDE - 2 * _MARGIN - _CARD_WIDTH
    step = min(_CARD_WIDTH + _CARD_GAP, room // max(len(names) - 1, 1))
    for number, name in enumerate(names):
        _draw_card(canvas, name, top=top, left=_MARGIN + number * step)


def _draw_card(canvas: np.ndarray, name: str, *, top: int, left: int) -> None:
    canvas[top : top + _CARD_HEIGHT, left : left + _CARD_WIDTH] = _CARD
    draw_text(canvas, name, top=top + 6, left=left + 4, scale=2, colour=_RANK_COLOUR)


def _card() -> np.ndarray:
    card = np.full((_CARD_HEIGHT, _CARD_WIDTH, 3), _EDGE_COLOUR, np.uint8)
    card[1:-1, 1:-1] = _CARD_COLOUR
    return card


_CARD = _card()

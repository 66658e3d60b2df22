"""Pictures in a terminal: two pixels a character, in colour."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

_MAX_COLUMNS = 64
_UPPER_HALF = "▀"  # its colour is the upper pixel, its background the lower one


def show_pictures(pictures: Iterable[np.ndarray]) -> None:
    """Print pictures, (H, W, 3) uint8 each, if the output is a terminal."""
    if not sys.stdout.isatty():
        return
    from rich.console import Console

    console = Console()
    for pixels in pictures:
        console.print(picture_text(pixels), end="")


def picture_text(pixels: np.ndarray, *, max_columns: int = _MAX_COLUMNS) -> Any:
    """Return a picture as coloured text (`rich.text.Text`), at most ``max_columns`` wide.

    Args:
        pixels: (H, W, 3) uint8.
        max_columns: Largest width in characters; a wider picture loses rows and columns.
    """
    from rich.color import Color
    from rich.style import Style
    from rich.text import Text

    step = -(-pixels.shape[1] // max_columns)
    small = pixels[step // 2 :: step, step // 2 :: step]
    if len(small) % 2:
        small = np.concatenate([small, small[-1:]])
    text = Text()
    for upper, lower in zip(small[::2].tolist(), small[1::2].tolist(), strict=True):
        for above, below in zip(upper, lower, strict=True):
            style = Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below))
            text.append(_UPPER_HALF, style)
        text.append("\n")
    return text


def pictures_of(observation: Any) -> Iterator[np.ndarray]:
    """Yield the pictures of an observation: uint8 arrays (H, W, 3), also in dicts and lists."""
    if isinstance(observation, np.ndarray):
        is_rgb = observation.ndim == 3 and observation.shape[2] == 3 and observation.size
        if is_rgb and observation.dtype == np.uint8:
            yield observation
    elif isinstance(observation, Mapping | list | tuple):
        parts = observation.values() if isinstance(observation, Mapping) else observation
        for part in parts:
            yield from pictures_of(part)

"""`RowImages`: the images of token rows, each distinct one once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rllib_gigpo.media.image import Image, PlacedImage


@dataclass(frozen=True, slots=True, eq=False)
class RowImages:
    """I distinct images at K places of R rows.

    Attributes:
        images: The distinct images.
        row_counts: (R,) int64, the places of each row.
        image_ids: (K,) int64, the image at each place, row after row.
        starts: (K,) int64, its first token, counted from the row's first.
        lengths: (K,) int64, its number of tokens.
    """

    images: tuple[Image, ...]
    row_counts: np.ndarray
    image_ids: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, places: Sequence[Sequence[PlacedImage]]) -> RowImages | None:
        """Collect the images of R prompts; None if there are none."""
        flat = [place for row in places for place in row]
        if not flat:
            return None
        numbers: dict[Image, int] = {}
        ids = [numbers.setdefault(place.image, len(numbers)) for place in flat]
        return cls(
            images=tuple(numbers),
            row_counts=np.array([len(row) for row in places], dtype=np.int64),
            image_ids=np.array(ids, dtype=np.int64),
            starts=np.array([place.start for place in flat], dtype=np.int64),
            lengths=np.array([place.length for place in flat], dtype=np.int64),
        )

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Return the indices of the places of some rows, row after row.

        Args:
            rows: (B,) row numbers.
        """
        stops = np.cumsum(self.row_counts)
        parts = [np.arange(stops[row] - self.row_counts[row], stops[row]) for row in rows]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def select(self, rows: np.ndarray) -> RowImages:
        """Select some rows, in the given order, and the images that they show.

        Args:
            rows: (B,) row numbers.
        """
        places = self.places(rows)
        used, image_ids = np.unique(self.image_ids[places], return_inverse=True)
        return RowImages(
            images=tuple(self.images[i] for i in used.tolist()),
            row_counts=self.row_counts[rows],
            image_ids=image_ids.reshape(-1),
            starts=self.starts[places],
            lengths=self.lengths[places],
        )

    def coded(self, token_ids: np.ndarray, row_offsets: np.ndarray) -> np.ndarray:
        """Return tokens that are equal only if they show the same part of the same image.

        Args:
            token_ids: (T,) int, row after row.
            row_offsets: (R + 1,) int, where each row begins.

        Returns:
            (T,) int64: negative numbers at the places of images, the tokens elsewhere.
        """
        codes = token_ids.astype(np.int64)
        longest = int(self.lengths.max(initial=0))
        starts = np.repeat(row_offsets[:-1], self.row_counts) + self.starts
        for start, length, image in zip(
            starts.tolist(), self.lengths.tolist(), self.image_ids.tolist(), strict=True
        ):
            codes[start : start + length] = -1 - image * longest - np.arange(length)
        return codes

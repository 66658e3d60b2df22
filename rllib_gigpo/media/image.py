"""`Image`: raw pixels and their hash, which is the image's identity everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from rllib_gigpo.errors import EnvContractError

_KEY_BYTES = 16
_CURE = "An image is a uint8 array of shape (height, width, 3)"


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Image:
    """An image as the environment gave it; equal pixels make equal images.

    Attributes:
        key: 32 hexadecimal digits, the BLAKE2b hash of shape and pixels.
        pixels: (H, W, 3) uint8, RGB; a copy, read-only.
    """

    key: str
    pixels: np.ndarray

    @classmethod
    def of(cls, pixels: np.ndarray) -> Image:
        """Check pixels and hash them.

        Args:
            pixels: (H, W, 3) uint8.

        Raises:
            EnvContractError: They have another type or shape, or none at all.
        """
        fault = _fault(pixels)
        if fault:
            raise EnvContractError(f"The observation has an image {fault}. {_CURE}.")
        kept = np.array(pixels, order="C")  # an environment may draw into the same array again
        kept.flags.writeable = False
        digest = blake2b(repr(kept.shape).encode(), digest_size=_KEY_BYTES)
        digest.update(kept.data)
        return cls(digest.hexdigest(), kept)

    def __eq__(self, other: object) -> bool:
        """Compare the hashes."""
        return isinstance(other, Image) and self.key == other.key

    def __hash__(self) -> int:
        """Hash the key."""
        return hash(self.key)


@dataclass(frozen=True, slots=True)
class PlacedImage:
    """An image in a prompt.

    Attributes:
        image: The image.
        start: Index of the first token that stands for it.
        length: Number of these tokens, with those that frame the image.
    """

    image: Image
    start: int
    length: int

    @property
    def stop(self) -> int:
        """One past the last token."""
        return self.start + self.length


def looks_like_image(value: Any) -> bool:
    """Return whether a part of an observation is meant as an image: an array with three axes."""
    return isinstance(value, np.ndarray) and value.ndim == 3


def _fault(pixels: np.ndarray) -> str:
    """Return what is wrong with pixels; empty if nothing is."""
    if pixels.dtype != np.uint8:
        scale = ": multiply by 255" if pixels.dtype.kind == "f" else ""
        return f"of type {pixels.dtype}, not uint8{scale}"
    if 0 in pixels.shape:
        return f"of size zero, shape {pixels.shape}"
    if pixels.ndim != 3:
        return f"of shape {pixels.shape}, without the axis of the channels"
    channels = pixels.shape[2]
    if channels != 3:
        return f"with {channels} channels, shape {pixels.shape}, not 3 (RGB)"
    return ""

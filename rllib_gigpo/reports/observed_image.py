"""Pictures among observations, as PNG files in text, so that a page can show them."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # number of channels -> PNG's colour type


def observed_image(observation: Any) -> str | None:
    """Return an observation's picture as a PNG in base64; None if it shows none.

    Args:
        observation: A uint8 array (H, W), or (H, W, C) with 1, 3 or 4 channels; or a dict of which
            the first such array counts. Everything else shows none.
    """
    if isinstance(observation, Mapping):
        found = (observed_image(value) for value in observation.values())
        return next((image for image in found if image is not None), None)
    if not isinstance(observation, np.ndarray) or observation.dtype != np.uint8:
        return None
    pixels = observation[:, :, None] if observation.ndim == 2 else observation
    if pixels.ndim != 3 or pixels.shape[2] not in _COLOUR_TYPES or 0 in pixels.shape:
        return None
    return base64_png(pixels)


def base64_png(pixels: np.ndarray) -> str:
    """Return pixels, uint8 (H, W, C), as a PNG file in base64."""
    return base64.b64encode(png(pixels)).decode("ascii")


def png(pixels: np.ndarray) -> bytes:
    """Encode pixels, uint8 (H, W, C), as a PNG file (ISO/IEC 15948) without row filters."""
    height, width, num_channels = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[num_channels], 0, 0, 0)
    rows = np.zeros((height, 1 + width * num_channels), np.uint8)  # each starts with its filter, 0
    rows[:, 1:] = pixels.reshape(height, -1)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

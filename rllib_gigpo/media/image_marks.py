"""Marks: how a text refers to images, so templates can move observations about as text.

A mark names the image by its hash. It therefore also tells two states apart whose texts are equal:
the text of an observation with marks is its anchor.
"""

from __future__ import annotations

import re

from rllib_gigpo.media.image import Image

_OPENING = "⟦"
_PATTERN = re.compile(r"⟦image ([0-9a-f]{32})⟧", re.IGNORECASE)


def mark_of(image: Image) -> str:
    """Return the text that stands for an image."""
    return f"⟦image {image.key}⟧"


def find_marks(text: str) -> list[tuple[str, int, int]]:
    """Return (hash, start, stop) of each mark in a text, in order."""
    return [(match[1].lower(), match.start(), match.end()) for match in _PATTERN.finditer(text)]


def marks_of(text: str) -> tuple[str, ...]:
    """Return the hashes of the images that a text shows, in order; without images, at once."""
    return tuple(key for key, _, _ in find_marks(text)) if _OPENING in text else ()


def without_marks(text: str) -> str:
    """Return a text without what stands for images."""
    return _PATTERN.sub("", text)

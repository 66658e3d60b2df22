"""Text of observations, anchors and actions for a terminal; images and bytes are abbreviated."""

from collections.abc import Mapping
from hashlib import blake2b


def shown(value: object) -> str:
    """Return a value as text; bytes and arrays become their size and a digest.

    Equal values look the same, and different values look different.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return f"<{len(value)} bytes, {_digest(value)}>"
    if hasattr(value, "tobytes") and hasattr(value, "shape"):  # an array
        shape = "x".join(map(str, value.shape))
        return f"<array {shape}, {_digest(value.tobytes())}>" if shape else str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {shown(part)}" for key, part in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "(" + ", ".join(map(shown, value)) + ")"
    return str(value)


def in_one_line(action: object) -> str:
    """Return an action as printable text, which cannot move the cursor."""
    text = shown(action)
    return text if text.isprintable() else repr(text)


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=4).hexdigest()

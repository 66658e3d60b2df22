"""Checks that anchors can be grouped; the error names the first row that cannot, and the fix."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence


def check_hashable(anchors: Sequence[Hashable]) -> None:
    """Check that every anchor is hashable and equals itself.

    Raises:
        TypeError: An anchor is not hashable.
        ValueError: An anchor is NaN, or a tuple or frozenset that contains NaN.
    """
    for row, anchor in enumerate(anchors):
        try:
            hash(anchor)
        except TypeError:
            raise TypeError(
                f"Row {row}: anchor {anchor!r:.80} of type {type(anchor).__name__} is not hashable;"
                " use a str, a number, bytes or a tuple of these."
            ) from None
        if any(part != part for part in _parts(anchor)):
            raise ValueError(
                f"Row {row}: anchor {anchor!r:.80} contains NaN, which never equals itself, so its"
                " state could never recur; have the environment return another anchor."
            )


def check_text(anchors: Iterable[Hashable], cure: str) -> None:
    """Check that every anchor is text, where states are compared by their texts.

    Args:
        anchors: One for each row.
        cure: How the user can do without text, for the message.

    Raises:
        TypeError: An anchor is not a str.
    """
    for row, anchor in enumerate(anchors):
        if not isinstance(anchor, str):
            raise TypeError(
                f"Row {row}: anchor {anchor!r:.80} of type {type(anchor).__name__} is not text,"
                f" by which states are compared here; use text anchors, or {cure}."
            )


def _parts(anchor: Hashable) -> Iterator[Hashable]:
    if isinstance(anchor, tuple | frozenset):
        for part in anchor:
            yield from _parts(part)
    else:
        yield anchor

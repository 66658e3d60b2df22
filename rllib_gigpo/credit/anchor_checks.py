"""Names the first row whose anchor cannot be grouped, with the cure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence


def check_hashable(anchors: Sequence[Hashable]) -> None:
    """Check that every anchor can be a dictionary's key and equals itself.

    Raises:
        TypeError: An anchor is not hashable.
        ValueError: An anchor is NaN, or a tuple or frozenset that holds it.
    """
    for row, anchor in enumerate(anchors):
        try:
            hash(anchor)
        except TypeError:
            raise TypeError(
                f"Row {row}: anchor {anchor!r:.80} of type {type(anchor).__name__} is not hashable;"
                " give a str, a number, bytes or a tuple of these."
            ) from None
        if any(part != part for part in _parts(anchor)):
            raise ValueError(
                f"Row {row}: anchor {anchor!r:.80} holds NaN, which equals nothing, so that its"
                " state could never recur; give the environment's state another name."
            )


def check_text(anchors: Sequence[Hashable]) -> None:
    """Check that every anchor is text.

    Raises:
        TypeError: One is not.
    """
    for row, anchor in enumerate(anchors):
        if not isinstance(anchor, str):
            raise TypeError(
                f"Row {row}: anchor {anchor!r:.80} of type {type(anchor).__name__} is not text;"
                ' similar anchors are compared as text, so use anchor="exact" or text anchors.'
            )


def _parts(anchor: Hashable) -> Iterator[Hashable]:
    if isinstance(anchor, tuple | frozenset):
        for part in anchor:
            yield from _parts(part)
    else:
        yield anchor

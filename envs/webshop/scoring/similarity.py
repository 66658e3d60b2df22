"""Fuzzy equality of short texts: the number that WebShop gets from thefuzz."""

from __future__ import annotations

_THRESHOLD = 85
_LATIN_1_SUPPLEMENT = dict.fromkeys(range(128, 256))


def is_similar(first: object, second: object) -> bool:
    """Whether two texts share nearly all their words; other objects count as they print."""
    return token_set_ratio(first, second) > _THRESHOLD


def token_set_ratio(first: object, second: object) -> int:
    """Return a whole number from 0 to 100; case, order and punctuation do not matter.

    It is 100 where one text's words are among the other's, and 0 where a text has no words.
    Characters 128 to 255 are dropped first.
    """
    from rapidfuzz import fuzz, utils

    one, other = (
        utils.default_process(str(text).translate(_LATIN_1_SUPPLEMENT)) for text in (first, second)
    )
    return round(fuzz.token_set_ratio(one, other))

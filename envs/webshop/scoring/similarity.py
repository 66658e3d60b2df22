"""Fuzzy equality of short texts, with the same ratio that WebShop gets from thefuzz."""

from __future__ import annotations

_THRESHOLD = 85
_LATIN_1_SUPPLEMENT = dict.fromkeys(range(128, 256))


def is_similar(first: object, second: object) -> bool:
    """Return whether two texts share nearly all words; other objects are converted with str."""
    return token_set_ratio(first, second) > _THRESHOLD


def token_set_ratio(first: object, second: object) -> int:
    """Return a similarity from 0 to 100 that ignores case, order and punctuation.

    It is 100 if one text's words are among the other's, and 0 if a text has no words. Characters
    128 to 255 are dropped first.
    """
    from rapidfuzz import fuzz, utils

    one, other = (
        utils.default_process(str(text).translate(_LATIN_1_SUPPLEMENT)) for text in (first, second)
    )
    return round(fuzz.token_set_ratio(one, other))

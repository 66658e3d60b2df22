"""Conversion of text to index terms, as in Lucene's EnglishAnalyzer.

It splits text into standard tokens (the word boundaries of Unicode's annex 29), removes
possessives, lowercases, removes stop words, and applies Porter's stemmer with the two deviations
of Lucene's implementation.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from functools import lru_cache

STOP_WORDS = frozenset(
    {
        *("a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into"),
        *("is", "it", "no", "not", "of", "on", "or", "such", "that", "the", "their", "then"),
        *("there", "these", "they", "this", "to", "was", "will", "with"),
    }
)

_IDEOGRAPHS = "\u3005-\u3007\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_KATAKANA = "\u30a0-\u30ff\u31f0-\u31ff"
_EMOJI = "\u2600-\u27bf\U0001f300-\U0001faff"
# Word characters in Python but not in Unicode: superscripts, fractions, circled numbers.
_OTHER_NUMBERS = (
    "\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u209c\u2150-\u215f\u2460-\u249b\u2776-\u2793"
)
_NOT_ALPHABETIC = _IDEOGRAPHS + _KATAKANA + _OTHER_NUMBERS
_MARKS = "\u0300-\u036f\u200d"
_LETTER = rf"[^\W\d_{_NOT_ALPHABETIC}]"
_RUN = rf"(?:[^\W{_NOT_ALPHABETIC}][{_MARKS}]*)+"
# A full stop or apostrophe joins letters or digits, a colon joins letters, a comma joins digits.
_JOINT = (
    rf"(?:(?<={_LETTER})[:\u00b7\u2027.'\u2018\u2019](?={_LETTER})"
    r"|(?<=\d)[,;.'\u2018\u2019](?=\d))"
)
_TOKEN = re.compile(rf"{_RUN}(?:{_JOINT}{_RUN})*|[{_IDEOGRAPHS}]|[{_KATAKANA}]+|[{_EMOJI}]\ufe0f?")
_HAS_LETTER_OR_DIGIT = re.compile(rf"[^\W_]|[{_EMOJI}]")
_POSSESSIVE = re.compile("['\u2019\uff07][sS]$")
_SHORTEST_STEMMED = 3


def check_installed() -> None:
    """Raise an ImportError that says what to install if a package of the extra is missing."""
    for module in ("Stemmer", "rapidfuzz"):
        if importlib.util.find_spec(module) is None:
            raise ImportError(
                f'WebShop needs the module {module}. Run pip install "rllib-gigpo[webshop]".'
            )


def analyze(text: str) -> list[str]:
    """Return the index terms of a text, in order."""
    return [_stem(token) for token in _lower_tokens(text) if token not in STOP_WORDS]


def _lower_tokens(text: str) -> Iterator[str]:
    for token in _TOKEN.findall(text):
        if _HAS_LETTER_OR_DIGIT.search(token):
            yield _POSSESSIVE.sub("", token).lower()


@lru_cache(maxsize=100_000)
def _stem(token: str) -> str:
    """Return Porter's stem, with the deviations of Lucene's stemmer from Porter's paper.

    It leaves words of one or two letters alone; step 2 also turns "-logi" into "-log", and turns
    "-bli" into "-ble" instead of "-abli" into "-able".
    """
    if len(token) < _SHORTEST_STEMMED:
        return token
    stem = _porter(token)
    if stem.endswith("logi") and _has_vowel_then_consonant(stem[:-4]):
        return stem[:-1]
    if stem.endswith("bli") and _has_vowel_then_consonant(stem[:-3]):
        return _porter(f"{stem[:-1]}e")
    return stem


def _has_vowel_then_consonant(letters: str) -> bool:
    """Return whether Porter's measure of a stem is positive; y is a vowel after a consonant."""
    kinds = ""
    for letter in letters:
        is_vowel = letter in "aeiou" or (letter == "y" and kinds.endswith("c"))
        kinds += "v" if is_vowel else "c"
    return "vc" in kinds


def _porter(word: str) -> str:
    import Stemmer

    # Threads must not share a stemmer, so each call makes one; 0 is the size of its own cache.
    return Stemmer.Stemmer("porter", 0).stemWord(word)

"""Taggers that find the nouns of a title, which the type factor of the score compares."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

NounTagger = Callable[[str], Sequence[str]]
"""A function from a title to its nouns in lower case, in order, including repeated ones."""

_SPACY_MODEL = "en_core_web_sm"
_NOUN_TAGS = frozenset({"NOUN", "PROPN"})
_TOKEN = re.compile(r"\w+|[^\w\s]")
_WORD = re.compile(r"[A-Za-z][A-Za-z\-]*")
_FUNCTION_WORDS = frozenset(
    {
        *("a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "from", "if", "in"),
        *("into", "is", "it", "no", "not", "of", "on", "or", "our", "such", "that", "the"),
        *("their", "then", "there", "these", "they", "this", "to", "was", "will", "with"),
        *("you", "your"),
    }
)
_ADJECTIVES = frozenset(
    {
        *("black", "blue", "brown", "easy", "gold", "gray", "green", "grey", "high", "large"),
        *("long", "low", "medium", "new", "orange", "pink", "purple", "red", "short", "silver"),
        *("small", "soft", "white", "yellow"),
    }
)


@lru_cache(maxsize=100_000)
def simple_nouns(title: str) -> tuple[str, ...]:
    """Return all words of Latin letters except function words and common adjectives."""
    words = (token.lower() for token in _TOKEN.findall(title) if _WORD.fullmatch(token))
    return tuple(w for w in words if w not in _FUNCTION_WORDS and w not in _ADJECTIVES)


def noun_tagger(tagger: str | NounTagger) -> NounTagger:
    """Return the requested tagger.

    Args:
        tagger: "simple"; "spacy" (the model ``en_core_web_sm``, as in WebShop) or "spacy:" and
            the name of another model; or a function.

    Raises:
        ValueError: There is no such tagger.
        ImportError: spaCy or its model is not installed.
    """
    if callable(tagger):
        return tagger
    if tagger == "simple":
        return simple_nouns
    name, _, model = tagger.partition(":") if isinstance(tagger, str) else ("", "", "")
    if name != "spacy":
        raise ValueError(
            f"tagger must be 'simple', 'spacy', 'spacy:<model>' or a function; got {tagger!r}."
            " Fix it in env_config."
        )
    return _spacy_nouns(model or _SPACY_MODEL)


@lru_cache(maxsize=4)
def _spacy_nouns(model: str) -> NounTagger:
    parse = _load_spacy(model)

    @lru_cache(maxsize=100_000)
    def nouns(title: str) -> tuple[str, ...]:
        return tuple(token.text.lower() for token in parse(title) if token.pos_ in _NOUN_TAGS)

    return nouns


def _load_spacy(model: str) -> Any:
    try:
        import spacy

        return spacy.load(model)
    except (ImportError, OSError) as error:
        raise ImportError(
            f"The tagger 'spacy:{model}' needs spaCy and that model. Run pip install spacy, then "
            f"python -m spacy download {model}; or set tagger='simple'."
        ) from error

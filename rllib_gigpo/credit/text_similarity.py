"""How similar texts are, and which cluster's founding text a new text is similar to.

``"indel"`` is 2·LCS / (|a| + |b|), where LCS is the length of the longest common subsequence; it
comes from rapidfuzz. ``"difflib"`` is the ratio of Python's ``SequenceMatcher`` with its junk
heuristic for texts of at least 200 characters; it is about a thousand times slower, and the
founding text of a cluster is its second argument. The third choice is a custom function
``(founder, text) -> ratio`` or its import path.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from rllib_gigpo.errors import MissingExtraError
from rllib_gigpo.options.registry import import_object

Ratio = str | Callable[[str, str], float]
RATIOS = ("indel", "difflib")


class Founders(ABC):
    """Founding texts of the clusters of one task, oldest first."""

    @abstractmethod
    def first_similar(self, text: str) -> int | None:
        """Return the index of the oldest founder with ratio >= threshold; None if there is none."""

    @abstractmethod
    def add(self, text: str) -> None:
        """Add ``text`` as the founder of the next cluster."""


def founders_factory(ratio: Ratio, *, threshold: float) -> Callable[[], Founders]:
    """Return a factory of empty `Founders`, one for each task.

    Args:
        ratio: "indel", "difflib", or a function ``(founder, text) -> ratio`` or its import path
            ``"package.module:name"``.
        threshold: Smallest ratio of similar texts, in (0, 1).

    Returns:
        The factory.

    Raises:
        ValueError: ``ratio`` is unknown or ``threshold`` is out of range.
        ConfigError: ``ratio`` is an import path that cannot be imported.
        MissingExtraError: ``ratio`` is "indel" and rapidfuzz is not installed.
    """
    if not 0.0 < threshold < 1.0:
        raise ValueError(
            f"threshold={threshold!r} must be in (0, 1); for equality use anchor='exact'"
        )
    if ratio == "indel":
        distance = _indel_distance()
        return lambda: IndelFounders(distance, threshold)
    if ratio == "difflib":
        return lambda: DifflibFounders(threshold)
    if isinstance(ratio, str) and ":" not in ratio:
        raise ValueError(
            f"ratio={ratio!r} is unknown; use one of {', '.join(RATIOS)}, or the import path of a"
            " function, 'package.module:name'"
        )
    own = import_object(ratio, setting="anchor.ratio") if isinstance(ratio, str) else ratio
    if not callable(own):
        raise ValueError(f"ratio={ratio!r} is a {type(own).__name__}, not a function")
    return lambda: OwnFounders(own, threshold)


class IndelFounders(Founders):
    """Founders by the indel ratio; cheap bounds rule out most comparisons.

    A ratio of at least θ allows at most d = (1 - θ)(|a| + |b|) insertions and deletions. Each one
    changes one count of the character histogram by 1, so the summed differences of two histograms
    are a lower bound of the distance; merging characters into buckets can only lower that sum.
    Texts whose histograms differ by more than d cannot match and are never compared.

    The other texts are first compared by their beginnings: if b lacks at most m_b characters of the
    common subsequence and a at most m_a, the first L characters of b share at least L - m_b with
    the first L + m_a of a. Texts in different words fail that test after a few times m_b
    characters; b is the shorter text, which can lack fewer.
    """

    _NUM_BUCKETS = 128
    # Unrelated sentences in one language share about 0.6 of their characters in order, so they
    # fail from about 2.5 m_b on.
    _PREFIX, _PREFIX_PER_MISS = 32, 3

    def __init__(self, distance: Callable[..., int], threshold: float) -> None:
        """Start empty; ``distance`` is rapidfuzz's function, which takes a ``score_cutoff``."""
        self._distance = distance
        self._threshold = threshold
        self._texts: list[str] = []
        self._lengths = np.zeros(16, dtype=np.int64)
        self._histograms = np.zeros((16, self._NUM_BUCKETS), dtype=np.int32)

    def first_similar(self, text: str) -> int | None:
        """Compare with the candidates in order; see the base class."""
        for number in self._candidates(text).tolist():
            founder = self._texts[number]
            allowed = _largest_distance(len(founder) + len(text), self._threshold)
            if (
                self._may_match(founder, text, allowed)
                and self._distance(founder, text, score_cutoff=allowed) <= allowed
            ):
                return number
        return None

    def _may_match(self, founder: str, text: str, allowed: int) -> bool:
        short, long = (founder, text) if len(founder) < len(text) else (text, founder)
        missed_by_short = (allowed + len(short) - len(long)) // 2
        length = self._PREFIX + self._PREFIX_PER_MISS * missed_by_short
        if 3 * length > 2 * len(short):
            return True
        head = long[: length + allowed - missed_by_short]
        # LCS >= length - missed_by_short, expressed as a distance.
        bound = len(head) - length + 2 * missed_by_short
        return self._distance(head, short[:length], score_cutoff=bound) <= bound

    def add(self, text: str) -> None:
        """Store the text with its histogram; see the base class."""
        number = len(self._texts)
        if number == len(self._lengths):
            self._lengths = np.concatenate([self._lengths, self._lengths])
            self._histograms = np.concatenate([self._histograms, self._histograms])
        self._texts.append(text)
        self._lengths[number] = len(text)
        self._histograms[number] = self._histogram(text)

    def _candidates(self, text: str) -> np.ndarray:
        number = len(self._texts)
        lengths = self._lengths[:number]
        allowed = (1.0 - self._threshold) * (lengths + len(text)) + 1.0
        near = np.flatnonzero(np.abs(lengths - len(text)) <= allowed)
        if near.size == 0:
            return near
        differences = np.abs(self._histograms[near] - self._histogram(text)).sum(axis=1)
        return near[differences <= allowed[near]]

    def _histogram(self, text: str) -> np.ndarray:
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        return np.bincount(points % self._NUM_BUCKETS, minlength=self._NUM_BUCKETS)


class DifflibFounders(Founders):
    """Founders by the `SequenceMatcher` ratio, which checks two cheap upper bounds first."""

    def __init__(self, threshold: float) -> None:
        """Start empty."""
        self._threshold = threshold
        self._matchers: list[SequenceMatcher[str]] = []

    def first_similar(self, text: str) -> int | None:
        """Compare with each founder in order; see the base class."""
        for number, matcher in enumerate(self._matchers):
            matcher.set_seq1(text)
            bounds = (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio)
            if all(bound() >= self._threshold for bound in bounds):
                return number
        return None

    def add(self, text: str) -> None:
        """Store a matcher, which preprocesses its second text once; see the base class."""
        self._matchers.append(SequenceMatcher(None, "", text))


class OwnFounders(Founders):
    """Founders by a custom ratio."""

    def __init__(self, ratio: Callable[[str, str], float], threshold: float) -> None:
        """Start empty."""
        self._ratio = ratio
        self._threshold = threshold
        self._texts: list[str] = []

    def first_similar(self, text: str) -> int | None:
        """Compare with each founder in order; see the base class."""
        for number, founder in enumerate(self._texts):
            if self._ratio(founder, text) >= self._threshold:
                return number
        return None

    def add(self, text: str) -> None:
        """Store the text; see the base class."""
        self._texts.append(text)


def tfidf_cosines(texts: Sequence[str]) -> np.ndarray:
    """Return the cosines of the TF-IDF vectors of U texts, which the vectors are fitted to.

    Terms are separated by white space, so numbers and the signs of a map are terms too.

    Args:
        texts: U texts.

    Returns:
        (U, U) float64 in [0, 1], with ones on the diagonal; a text without terms is like no other.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    vectorizer = _tfidf_vectorizer()
    cosines = np.zeros((len(texts), len(texts)))
    if any(text.strip() for text in texts):
        vectors = vectorizer(tokenizer=str.split, token_pattern=None).fit_transform(texts)
        cosines = (vectors @ vectors.T).toarray()
    np.fill_diagonal(cosines, 1.0)
    return np.minimum(cosines, 1.0)


def check_tfidf() -> None:
    """Check that `tfidf_cosines` can be computed.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    _tfidf_vectorizer()


def _tfidf_vectorizer() -> Any:
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        raise MissingExtraError(
            "rule='proxmo' compares states by TF-IDF, for which it needs scikit-learn:"
            ' pip install "rllib-gigpo[proxmo]"'
        ) from error
    return TfidfVectorizer


def _indel_distance() -> Callable[..., Any]:
    try:
        from rapidfuzz.distance import Indel
    except ImportError as error:
        raise MissingExtraError(
            "anchor='similar' with the indel ratio needs rapidfuzz:"
            ' pip install "rllib-gigpo[similar]" (or use ratio="difflib")'
        ) from error
    return Indel.distance


def _largest_distance(length: int, threshold: float) -> int:
    """Return the largest distance for which 1 - distance / length is at least ``threshold``."""
    distance = int((1.0 - threshold) * length) + 1
    while distance > 0 and (length - distance) / length < threshold:
        distance -= 1
    return distance

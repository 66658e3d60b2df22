"""Which of the texts seen so far is the first that a new one is similar to.

``"indel"`` is 2·LCS / (|a| + |b|) with the longest common subsequence, from rapidfuzz.
``"difflib"`` is Python's ``SequenceMatcher`` ratio with its junk heuristic for texts of at least
200 characters, some thousand times slower; the founding text of a cluster is its second argument.
A function ``(founder, text) -> ratio`` of the user's own, or its import path, is the third choice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from rllib_gigpo.errors import MissingExtraError
from rllib_gigpo.options.registry import import_object

Ratio = str | Callable[[str, str], float]
RATIOS = ("indel", "difflib")


class Founders(ABC):
    """The first members of the clusters of one task, oldest first."""

    @abstractmethod
    def first_similar(self, text: str) -> int | None:
        """Find the oldest founder with a ratio of at least the threshold; None if there is none."""

    @abstractmethod
    def add(self, text: str) -> None:
        """Let ``text`` found the next cluster."""


def founders_factory(ratio: Ratio, *, threshold: float) -> Callable[[], Founders]:
    """Choose how texts are compared.

    Args:
        ratio: "indel", "difflib", or a function ``(founder, text) -> ratio``, itself or by its
            import path ``"package.module:name"``.
        threshold: Least ratio of similar texts, inside (0, 1).

    Returns:
        What makes empty `Founders`, one for each task.

    Raises:
        ValueError: ``ratio`` is unknown or ``threshold`` out of range.
        MissingExtraError: rapidfuzz is not installed and ``ratio`` is "indel".
    """
    if not 0.0 < threshold < 1.0:
        raise ValueError(
            f"threshold={threshold!r} must lie inside (0, 1); for equality use anchor='exact'"
        )
    if ratio == "indel":
        distance = _indel_distance()
        return lambda: IndelFounders(distance, threshold)
    if ratio == "difflib":
        return lambda: DifflibFounders(threshold)
    if isinstance(ratio, str) and ":" not in ratio:
        raise ValueError(
            f"ratio={ratio!r} is unknown; choose one of {', '.join(RATIOS)}, or a function by its"
            " import path, 'package.module:name'"
        )
    own = import_object(ratio, setting="anchor.ratio") if isinstance(ratio, str) else ratio
    if not callable(own):
        raise ValueError(f"ratio={ratio!r} is a {type(own).__name__}, not a function")
    return lambda: OwnFounders(own, threshold)


class IndelFounders(Founders):
    """Compares only what can reach the threshold.

    A ratio of at least θ allows at most d = (1 - θ)(|a| + |b|) insertions and deletions. Each of
    them changes one count of the histogram of characters by one, so that the summed differences of
    two histograms bound the distance from below; merging characters into buckets lowers that sum
    at most. Whatever differs by more than d is no match, and is never compared.

    What passes is compared by its beginning: if b misses at most m_b characters of the common
    subsequence and a at most m_a, the first L of b share at least L - m_b with the first L + m_a of
    a. Texts in different words fail that after a few times m_b characters; b is the shorter one,
    which can miss fewer.
    """

    _NUM_BUCKETS = 128
    # Unrelated sentences of one language share about 0.6 of their characters in order, so that
    # they fail from about 2.5 m_b on.
    _PREFIX, _PREFIX_PER_MISS = 32, 3

    def __init__(self, distance: Callable[..., int], threshold: float) -> None:
        """Start without founders; ``distance`` is rapidfuzz's, with its ``score_cutoff``."""
        self._distance = distance
        self._threshold = threshold
        self._texts: list[str] = []
        self._lengths = np.zeros(16, dtype=np.int64)
        self._histograms = np.zeros((16, self._NUM_BUCKETS), dtype=np.int32)

    def first_similar(self, text: str) -> int | None:
        """Compare in the order of the founders, see the base class."""
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
        # LCS >= length - missed_by_short, written as a distance.
        bound = len(head) - length + 2 * missed_by_short
        return self._distance(head, short[:length], score_cutoff=bound) <= bound

    def add(self, text: str) -> None:
        """Keep the text with its histogram, see the base class."""
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
    """`SequenceMatcher`, its two cheap upper bounds first."""

    def __init__(self, threshold: float) -> None:
        """Start without founders."""
        self._threshold = threshold
        self._matchers: list[SequenceMatcher[str]] = []

    def first_similar(self, text: str) -> int | None:
        """Compare with each founder, see the base class."""
        for number, matcher in enumerate(self._matchers):
            matcher.set_seq1(text)
            bounds = (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio)
            if all(bound() >= self._threshold for bound in bounds):
                return number
        return None

    def add(self, text: str) -> None:
        """Keep a matcher, which prepares its second text once; see the base class."""
        self._matchers.append(SequenceMatcher(None, "", text))


class OwnFounders(Founders):
    """A user's own ratio."""

    def __init__(self, ratio: Callable[[str, str], float], threshold: float) -> None:
        """Start without founders."""
        self._ratio = ratio
        self._threshold = threshold
        self._texts: list[str] = []

    def first_similar(self, text: str) -> int | None:
        """Compare with each founder, see the base class."""
        for number, founder in enumerate(self._texts):
            if self._ratio(founder, text) >= self._threshold:
                return number
        return None

    def add(self, text: str) -> None:
        """Keep the text, see the base class."""
        self._texts.append(text)


def _indel_distance() -> Callable[..., Any]:
    try:
        from rapidfuzz.distance import Indel
    except ImportError as error:
        raise MissingExtraError(
            "anchor='similar' with the indel ratio needs rapidfuzz:"
            ' pip install "rllib-gigpo[similar]" (or choose ratio="difflib")'
        ) from error
    return Indel.distance


def _largest_distance(length: int, threshold: float) -> int:
    """Most insertions and deletions at which 1 - distance / length is at least ``threshold``."""
    distance = int((1.0 - threshold) * length) + 1
    while distance > 0 and (length - distance) / length < threshold:
        distance -= 1
    return distance

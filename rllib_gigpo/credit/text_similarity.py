"""How similar two texts are, as a test of many texts against one.

``"indel"`` is 2·LCS / (|a| + |b|) with the longest common subsequence, from rapidfuzz.
``"difflib"`` is Python's ``SequenceMatcher`` ratio with its junk heuristic for texts of at least
200 characters, some thousand times slower; the founding text of a cluster is its second argument.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import SequenceMatcher

from rllib_gigpo.errors import MissingExtraError

SimilarityTest = Callable[[str], bool]
RATIOS = ("indel", "difflib")


def similarity_test(ratio: str, *, threshold: float) -> Callable[[str], SimilarityTest]:
    """A function that turns a founding text into a test of other texts.

    Args:
        ratio: "indel" or "difflib".
        threshold: Least ratio of similar texts, inside (0, 1).

    Returns:
        ``founded_by(founder)(text)`` is True if the ratio is at least ``threshold``.

    Raises:
        ValueError: ``ratio`` is unknown or ``threshold`` out of range.
        MissingExtraError: rapidfuzz is not installed and ``ratio`` is "indel".
    """
    if not 0.0 < threshold < 1.0:
        raise ValueError(
            f"anchor_threshold={threshold!r} must lie inside (0, 1);"
            ' for equality use anchor="exact".'
        )
    if ratio not in RATIOS:
        raise ValueError(f"anchor_ratio={ratio!r} is unknown; choose one of {RATIOS}.")
    tests = {"indel": _indel_tests, "difflib": _difflib_tests}
    return tests[ratio](threshold)


def _indel_tests(threshold: float) -> Callable[[str], SimilarityTest]:
    try:
        from rapidfuzz.distance import Indel
    except ImportError as error:
        raise MissingExtraError(
            'anchor="similar" with the indel ratio needs rapidfuzz:'
            ' pip install "rllib-gigpo[similar]" (or choose anchor_ratio="difflib").'
        ) from error

    def founded_by(founder: str) -> SimilarityTest:
        def is_similar(text: str) -> bool:
            allowed = _largest_distance(len(founder) + len(text), threshold)
            if abs(len(founder) - len(text)) > allowed:
                return False
            return Indel.distance(founder, text, score_cutoff=allowed) <= allowed

        return is_similar

    return founded_by


def _largest_distance(length: int, threshold: float) -> int:
    """Most insertions and deletions at which 1 - distance / length is at least ``threshold``."""
    distance = int((1.0 - threshold) * length) + 1
    while distance > 0 and (length - distance) / length < threshold:
        distance -= 1
    return distance


def _difflib_tests(threshold: float) -> Callable[[str], SimilarityTest]:
    def founded_by(founder: str) -> SimilarityTest:
        matcher = SequenceMatcher(None, "", founder)

        def is_similar(text: str) -> bool:
            matcher.set_seq1(text)
            # The first two are cheap upper bounds of the third.
            bounds = (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio)
            return all(bound() >= threshold for bound in bounds)

        return is_similar

    return founded_by

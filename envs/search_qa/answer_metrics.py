"""The scores of an answer against the golden answers: exact match and F1 over normalised words."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_answer(text: str) -> str:
    """Lowercase, drop ASCII punctuation, drop articles and collapse spaces, in this order."""
    without_punctuation = text.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", without_punctuation).split())


def exact_match(answer: str, golden_answers: Sequence[str]) -> float:
    """Return 1 if the normalised answer equals one of the normalised golden answers, else 0."""
    normalized = normalize_answer(answer)
    return float(any(normalized == normalize_answer(golden) for golden in golden_answers))


def f1_score(answer: str, golden_answers: Sequence[str]) -> float:
    """Return the best F1 between the words of the answer and of one golden answer, as in SQuAD.

    With c words in common, counted as often as they occur in both, precision is c / (words of the
    answer) and recall is c / (words of the golden answer). If either has no words left after
    normalisation, the score is 1 if both have none, else 0.
    """
    words = normalize_answer(answer).split()
    return max((_f1(words, normalize_answer(g).split()) for g in golden_answers), default=0.0)


def _f1(words: list[str], golden: list[str]) -> float:
    if not words or not golden:
        return float(words == golden)
    num_common = (Counter(words) & Counter(golden)).total()
    # 2PR / (P + R) with P = common / words and R = common / golden.
    return 2 * num_common / (len(words) + len(golden))

"""BM25 with the same scores as Lucene, which stores document lengths in one byte."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable

import numpy as np

from .analyzer import analyze

_K1, _B = 0.9, 0.4  # the defaults of Pyserini, which WebShop uses
_NUM_MANTISSA_BITS = 4
# Lengths below 24 are exact: 255 less the code of the largest 32-bit integer.
_NUM_EXACT = 24


def encode_length(length: int) -> int:
    """Round a length to one byte (0 to 255), like Lucene's ``SmallFloat.intToByte4``."""
    if length < _NUM_EXACT:
        return length
    return _NUM_EXACT + _to_small_float(length - _NUM_EXACT)


def decode_length(code: int) -> int:
    """Return the smallest length that ``encode_length`` maps to ``code``."""
    if code < _NUM_EXACT:
        return code
    return _NUM_EXACT + _from_small_float(code - _NUM_EXACT)


def _to_small_float(number: int) -> int:
    """Keep the highest four bits (the first is implied) and their position in five more."""
    shift = number.bit_length() - _NUM_MANTISSA_BITS
    if shift < 0:
        return number
    return (shift + 1) << 3 | (number >> shift) & 0b111


def _from_small_float(code: int) -> int:
    mantissa, shift = code & 0b111, (code >> 3) - 1
    return mantissa if shift < 0 else (mantissa | 0b1000) << shift


class LuceneIndex:
    """An index over documents, numbered in the given order.

    The score of a document d is the sum, over the terms t of the query, of
    ``qtf(t) * ln(1 + (N - df + 0.5) / (df + 0.5)) * tf / (tf + k1 * (1 - b + b * L / avg))``,
    where ``L`` is the document's length rounded to one byte, ``avg`` the mean of the exact lengths,
    ``k1`` 0.9 and ``b`` 0.4. The earlier document wins ties.
    """

    def __init__(self, documents: Iterable[str]) -> None:
        """Analyze and index the documents."""
        postings: dict[str, tuple[array[int], array[int]]] = {}
        lengths = array("q")
        for number, document in enumerate(documents):
            terms = analyze(document)
            lengths.append(len(terms))
            for term, frequency in Counter(terms).items():
                numbers, frequencies = postings.setdefault(term, (array("i"), array("i")))
                numbers.append(number)
                frequencies.append(frequency)
        self._num_documents = len(lengths)
        norms = _norms(np.array(lengths, dtype=np.int64))
        self._weights = {
            term: self._weigh(np.array(numbers), np.array(frequencies), norms)
            for term, (numbers, frequencies) in postings.items()
        }

    def search(self, query: str, *, num_results: int) -> list[tuple[int, float]]:
        """Return the best documents that share a term with the query.

        Returns:
            At most ``num_results`` pairs of document number and score, best first.
        """
        scores = np.zeros(self._num_documents)
        for term, frequency in Counter(analyze(query)).items():
            if term in self._weights:
                numbers, weights = self._weights[term]
                scores[numbers] += frequency * weights
        found = np.flatnonzero(scores)
        order = found[np.argsort(-scores[found], kind="stable")[:num_results]]
        return [(int(number), float(scores[number])) for number in order]

    def _weigh(
        self, numbers: np.ndarray, frequencies: np.ndarray, norms: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        rarity = math.log(1 + (self._num_documents - len(numbers) + 0.5) / (len(numbers) + 0.5))
        return numbers, rarity * frequencies / (frequencies + norms[numbers])


def _norms(lengths: np.ndarray) -> np.ndarray:
    """Return ``k1 * (1 - b + b * L / avg)`` of each document, (N,) float64."""
    rounded = np.array([decode_length(encode_length(int(length))) for length in lengths])
    mean = lengths.mean() if lengths.any() else 1.0
    return _K1 * (1 - _B + _B * rounded / mean)

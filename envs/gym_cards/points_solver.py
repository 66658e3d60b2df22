"""A search for all formulas that reach a target from given numbers, using each number once."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

Formula = tuple[str, ...]

_SUM, _PRODUCT, _NUMBER = range(3)  # precedence of the outermost operator
_STRENGTHS = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT}
_FUNCTIONS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


class _Term(NamedTuple):
    """A partial formula."""

    value: Fraction
    tokens: Formula
    strength: int


def solutions(values: Sequence[int], target: int, signs: str) -> tuple[Formula, ...]:
    """Return the formulas over all of ``values`` that equal ``target``, shortest first.

    ``signs`` are the allowed operators; parentheses are added where needed. The work grows fast:
    four numbers take some tens of milliseconds, and more are not supported.
    """
    return _solutions(tuple(sorted(values)), target, signs)


@lru_cache(maxsize=1024)  # there are 715 hands of four values from 1 to 10
def _solutions(values: tuple[int, ...], target: int, signs: str) -> tuple[Formula, ...]:
    terms = tuple(_Term(Fraction(value), (str(value),), _NUMBER) for value in values)
    found = set(_formulas(terms, target, signs))
    return tuple(sorted(found, key=lambda tokens: (len(tokens), tokens)))


def _formulas(terms: tuple[_Term, ...], target: int, signs: str) -> Iterator[Formula]:
    """Yield the formulas that combine all of ``terms`` and equal ``target``."""
    for first, second in permutations(range(len(terms)), 2):
        left, right = terms[first], terms[second]
        rest = tuple(term for i, term in enumerate(terms) if i not in (first, second))
        for sign in signs:
            if sign == "/" and not right.value:
                continue
            value = _FUNCTIONS[sign](left.value, right.value)
            if rest:
                joined = _Term(value, _join(left, sign, right), _STRENGTHS[sign])
                yield from _formulas((*rest, joined), target, signs)
            elif value == target:
                yield _join(left, sign, right)


def _join(left: _Term, sign: str, right: _Term) -> Formula:
    """Return "left sign right" with the parentheses that it needs."""
    strength = _STRENGTHS[sign]
    right_needs = right.strength < strength or (right.strength == strength and sign in "-/")
    return (
        *_wrap(left.tokens, is_needed=left.strength < strength),
        sign,
        *_wrap(right.tokens, is_needed=right_needs),
    )


def _wrap(tokens: Formula, *, is_needed: bool) -> Formula:
    return ("(", *tokens, ")") if is_needed else tokens

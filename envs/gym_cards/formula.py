"""Exact evaluation of formulas of whole numbers, without ``eval``.

sum     = product { ("+" | "-") product }
product = factor { ("*" | "/") factor }
factor  = number | "(" sum ")"
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

MAX_TOKENS = 64
"""Longer formulas have no value here, which bounds the recursion depth and the numbers."""


def evaluate(tokens: Sequence[str]) -> Fraction | None:
    """Return the value of a formula, or None if it is malformed, too long, or divides by zero.

    A token is a number of up to nine digits, an operator or a parenthesis. Signs before a number
    are not allowed.
    """
    if len(tokens) > MAX_TOKENS:
        return None
    parser = _Parser(tokens)
    try:
        value = parser.sum()
    except (_MalformedError, ZeroDivisionError):
        return None
    return value if parser.is_at_end() else None


class _MalformedError(Exception):
    pass


class _Parser:
    """A recursive-descent parser that makes one pass over the tokens."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tokens
        self._next = 0

    def is_at_end(self) -> bool:
        return self._next == len(self._tokens)

    def sum(self) -> Fraction:
        value = self._product()
        while operator := self._accept("+", "-"):
            term = self._product()
            value = value + term if operator == "+" else value - term
        return value

    def _product(self) -> Fraction:
        value = self._factor()
        while operator := self._accept("*", "/"):
            factor = self._factor()
            value = value * factor if operator == "*" else value / factor
        return value

    def _factor(self) -> Fraction:
        if self._accept("("):
            value = self.sum()
            if not self._accept(")"):
                raise _MalformedError
            return value
        return self._number()

    def _number(self) -> Fraction:
        token = "" if self.is_at_end() else self._tokens[self._next]
        if not (token.isascii() and token.isdigit() and len(token) <= 9):
            raise _MalformedError
        self._next += 1
        return Fraction(int(token))

    def _accept(self, *wanted: str) -> str | None:
        if self.is_at_end() or self._tokens[self._next] not in wanted:
            return None
        self._next += 1
        return self._tokens[self._next - 1]

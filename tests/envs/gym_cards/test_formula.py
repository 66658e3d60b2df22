from fractions import Fraction
from itertools import combinations_with_replacement

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_gigpo.envs.gym_cards.formula import MAX_TOKENS, evaluate
from rllib_gigpo.envs.gym_cards.points_solver import solutions


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("7", 7),
        ("2 + 3 * 4", 14),
        ("( 2 + 3 ) * 4", 20),
        ("10 - 4 - 3", 3),
        ("10 - ( 4 - 3 )", 9),
        ("8 / 4 / 2", 1),
        ("8 / ( 4 / 2 )", 4),
        ("8 / ( 3 - 8 / 3 )", 24),
        ("1 / 3", Fraction(1, 3)),
        ("( ( ( 5 ) ) )", 5),
    ],
)
def test_formulas_have_the_value_of_arithmetic(formula, value):
    assert evaluate(formula.split()) == value


@pytest.mark.parametrize(
    "formula",
    [
        *("", "+", "2 +", "+ 2", "- 2", "2 3", "2 ( 3 )", "( 2", "2 )", "( )", "2 + * 3"),
        *("1 / 0", "1 / ( 2 - 2 )", "2 ** 3", "__import__", "2 // 1", "1e5", "²", "٣", "-1"),
    ],
)
def test_what_is_no_formula_has_no_value(formula):
    assert evaluate(formula.split()) is None


def test_long_formulas_have_no_value_and_nesting_breaks_nothing():
    assert evaluate(["1", *["+", "1"] * 31]) == 32
    assert evaluate(["1", *["+", "1"] * 32]) is None
    assert evaluate(["("] * 31 + ["1"] + [")"] * 31) == 1
    assert evaluate(["("] * 100_000) is None
    assert evaluate(["9" * 10]) is None
    assert MAX_TOKENS == 64


def trees():
    """Draw (value, tokens) of a formula in which every operation is in parentheses."""

    def join(pair, sign):
        (left, left_tokens), (right, right_tokens) = pair
        tokens = ["(", *left_tokens, sign, *right_tokens, ")"]
        if left is None or right is None or (sign == "/" and right == 0):
            return None, tokens
        values = {"+": left + right, "-": left - right, "*": left * right}
        return values[sign] if sign in values else left / right, tokens

    leaves = st.integers(0, 13).map(lambda number: (Fraction(number), [str(number)]))
    return st.recursive(
        leaves,
        lambda inner: st.builds(join, st.tuples(inner, inner), st.sampled_from("+-*/")),
        max_leaves=8,
    )


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(trees())
def test_values_are_exact(tree):
    value, tokens = tree
    assert evaluate(tokens) == value


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.lists(st.one_of(st.sampled_from([*"+-*/()=", "1", "10", "0"]), st.text(max_size=5))))
def test_any_tokens_have_a_value_or_none(tokens):
    value = evaluate(tokens)
    assert value is None or isinstance(value, Fraction)


def reachable(numbers):
    """Return every value that formulas over all of ``numbers`` can have, as a slow reference."""
    if len(numbers) == 1:
        return {Fraction(numbers[0])}
    values = set()
    for mask in range(1, 2 ** len(numbers) - 1):
        left = [number for i, number in enumerate(numbers) if mask >> i & 1]
        right = [number for i, number in enumerate(numbers) if not mask >> i & 1]
        for a in reachable(left):
            for b in reachable(right):
                values |= {a + b, a - b, a * b} | ({a / b} if b else set())
    return values


def test_the_solver_finds_formulas_for_exactly_the_solvable_hands():
    hands = list(combinations_with_replacement(range(1, 11), 4))[::40]
    for hand in hands:
        assert bool(solutions(hand, 24, "+-*/")) == (24 in reachable(hand)), hand


@pytest.mark.parametrize("hand", [(3, 3, 8, 8), (1, 5, 5, 5), (4, 4, 10, 10), (1, 1, 4, 6)])
def test_solutions_use_every_number_once_and_are_right(hand):
    found = solutions(hand, 24, "+-*/")
    assert len(set(found)) == len(found) > 0
    for formula in found:
        numbers = sorted(int(token) for token in formula if token.isdigit())
        assert (numbers, evaluate(formula)) == (sorted(hand), 24)
        assert len(formula) <= 11


def test_the_only_solution_of_a_hard_hand_is_found():
    assert solutions((8, 3, 8, 3), 24, "+-*/") == (tuple("8/(3-8/3)"),)


def test_two_numbers_have_the_solutions_that_one_can_count():
    assert solutions((2, 6), 12, "+*") == (("2", "*", "6"), ("6", "*", "2"))
    assert solutions((2, 10), 12, "+*") == (("10", "+", "2"), ("2", "+", "10"))
    assert solutions((6, 6), 12, "+*") == (("6", "+", "6"),)
    assert solutions((1, 10), 12, "+*") == ()


def test_parentheses_stand_only_where_they_are_needed():
    assert tuple("2*(3+9)") in solutions((2, 3, 9), 24, "+*")
    assert all("(" not in formula for formula in solutions((2, 3, 4), 24, "*"))

"""Exact match and F1, computed by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_gigpo.envs.search_qa.answer_metrics import exact_match, f1_score, normalize_answer

QUICK = settings(deadline=None, derandomize=True, database=None, max_examples=60)


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("The  Eiffel Tower!", "eiffel tower"),
        ("U.S.A.", "usa"),
        ("An apple a day", "apple day"),
        ("theatre", "theatre"),
        ("rock-and-roll", "rockandroll"),
        ("  \n", ""),
        ("«Noël»", "«noël»"),
    ],
)
def test_normalisation(text, normalized):
    assert normalize_answer(text) == normalized


@pytest.mark.parametrize(
    ("answer", "golden", "expected"),
    [
        ("the Beatles", ["Beatles"], 1.0),
        ("Bob Russell.", ["Bobby Scott", "bob russell"], 1.0),
        ("Bob", ["Bob Russell"], 0.0),
        ("14 December 1972", ["14 December 1972 UTC", "December 1972"], 0.0),
        ("", ["x"], 0.0),
    ],
)
def test_exact_match(answer, golden, expected):
    assert exact_match(answer, golden) == expected


@pytest.mark.parametrize(
    ("answer", "golden", "expected"),
    [
        # All 3 words are right and 3 of 4 found: 2 * 1 * 0.75 / 1.75. The second: 2 * 2/3 / (5/3).
        ("14 December 1972", ["14 December 1972 UTC", "December 1972"], 6 / 7),
        ("December 1972", ["14 December 1972 UTC"], 2 / 3),
        # Repeated words count as often as they occur in both: 2 in common, of 3 and 2 words.
        ("bora bora bora", ["Bora Bora"], 4 / 5),
        ("the cat", ["a cat"], 1.0),
        ("dog", ["cat"], 0.0),
        ("the", ["cat"], 0.0),
        ("the", ["A"], 1.0),
        ("cat", [], 0.0),
    ],
)
def test_f1(answer, golden, expected):
    assert f1_score(answer, golden) == pytest.approx(expected, abs=1e-12)


@QUICK
@given(st.text(), st.lists(st.text(), min_size=1, max_size=3))
def test_f1_lies_between_exact_match_and_one(answer, golden):
    assert exact_match(answer, golden) <= f1_score(answer, golden) <= 1.0


@QUICK
@given(st.text(max_size=30), st.text(max_size=30))
def test_f1_is_symmetric_and_one_on_itself(first, second):
    assert f1_score(first, [second]) == f1_score(second, [first])
    assert f1_score(first, [first]) == exact_match(first, [first]) == 1.0

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rllib_gigpo.credit.group_statistics import centred, has_spread, numbered

VALUES = st.integers(-(10**5), 10**5).map(lambda number: number / 64)
ROWS = st.lists(st.tuples(VALUES, st.sampled_from([0, 1, 2, -5, 2**60])), min_size=1, max_size=40)


def slow_centred(values, labels, divide_by_std):
    result = []
    for value, label in zip(values, labels, strict=True):
        members = [v for v, other in zip(values, labels, strict=True) if other == label]
        if len(set(members)) == 1:
            result.append(0.0)
            continue
        mean = math.fsum(members) / len(members)
        variance = math.fsum((v - mean) ** 2 for v in members) / (len(members) - 1)
        result.append((value - mean) / (math.sqrt(variance) + 1e-6 if divide_by_std else 1.0))
    return result


def test_two_groups_by_hand():
    values, labels = np.array([1.0, 3.0, 5.0, 10.0]), np.array([0, 0, 0, 1])
    assert centred(values, labels, divide_by_std=False).tolist() == [-2.0, 0.0, 2.0, 0.0]
    # Unbiased: sqrt((4 + 0 + 4) / 2) = 2.
    expected = [-2 / 2.000001, 0.0, 2 / 2.000001, 0.0]
    np.testing.assert_allclose(centred(values, labels, divide_by_std=True), expected, rtol=1e-15)


@pytest.mark.parametrize("divide_by_std", [False, True])
@given(rows=ROWS)
def test_centred_values_are_those_of_the_slow_reference(divide_by_std, rows):
    values, labels = zip(*rows, strict=True)
    found = centred(np.array(values), np.array(labels), divide_by_std=divide_by_std)
    expected = slow_centred(values, labels, divide_by_std)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-10)


@given(
    value=VALUES | st.sampled_from([10 * 0.95**k for k in range(50)]),
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=4),
    divide_by_std=st.booleans(),
)
def test_groups_without_spread_score_exactly_zero(value, sizes, divide_by_std):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    values = value / (1 + labels)
    assert not centred(values, labels, divide_by_std=divide_by_std).any()


@given(rows=ROWS)
def test_spread_is_two_different_values_in_a_group(rows):
    values, labels = zip(*rows, strict=True)
    expected = [len({v for v, other in rows if other == label}) > 1 for label in labels]
    assert has_spread(np.array(values), np.array(labels)).tolist() == expected


def test_inputs_are_left_alone_and_no_rows_give_no_values():
    values, labels = np.array([1.0, 2.0]), np.array([0, 0])
    centred(values, labels, divide_by_std=True)
    assert values.tolist() == [1.0, 2.0]
    assert centred(np.zeros(0), np.zeros(0, dtype=np.int64), divide_by_std=True).shape == (0,)


def test_large_or_negative_labels_are_numbered():
    labels, size = numbered(np.array([2**62, -3, 2**62]))
    assert labels.tolist() == [1, 0, 1]
    assert size == 2


def test_a_value_that_is_not_finite_is_refused_with_its_row():
    with pytest.raises(ValueError, match="Row 1: the value is inf"):
        centred(np.array([0.0, np.inf]), np.array([0, 0]), divide_by_std=False)


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="one entry per row"):
        centred(np.zeros(2), np.zeros(3, dtype=np.int64), divide_by_std=False)

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rllib_gigpo.credit.advantages import (
    AdvantageScaling,
    episode_advantages,
    expand_to_tokens,
    whiten,
)

ROWS = st.lists(st.tuples(st.floats(-10, 10), st.integers(0, 9)), min_size=1, max_size=20)


def test_whitening_counts_a_row_as_often_as_it_has_tokens():
    # Tokens 1, 1, 1, -1: mean 0.5, biased variance 0.75.
    found = whiten(np.array([1.0, -1.0]), np.array([3, 1]))
    std = math.sqrt(0.75 + 1e-8)
    np.testing.assert_allclose(found, [0.5 / std, -1.5 / std], rtol=1e-14)


@given(ROWS)
def test_whitening_is_that_of_the_written_out_tokens(rows):
    advantages, lengths = (np.array(part) for part in zip(*rows, strict=True))
    tokens = [advantage for advantage, length in rows for _ in range(length)]
    found = whiten(advantages, lengths)
    if not tokens:
        assert not found.any()
        return
    mean = math.fsum(tokens) / len(tokens)
    variance = math.fsum((token - mean) ** 2 for token in tokens) / len(tokens)
    expected = (advantages - mean) / math.sqrt(variance + 1e-8)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("value", [0.1, 0.35, 0.7])
def test_equal_advantages_whiten_to_exactly_zero(value):
    # Their rounded mean is a different number: (0.1 + 2 * 0.1) / 3 != 0.1.
    assert not whiten(np.full(2, value), np.array([1, 2])).any()


def test_whitening_refuses_lengths_that_differ():
    with pytest.raises(ValueError, match="must have the same length"):
        whiten(np.zeros(2), np.zeros(3))


@given(ROWS)
def test_without_weights_every_value_counts_once(rows):
    advantages, lengths = (np.array(part) for part in zip(*rows, strict=True))
    tokens = np.repeat(advantages, lengths)
    expected = np.repeat(whiten(advantages, lengths), lengths)
    np.testing.assert_allclose(whiten(tokens), expected, rtol=1e-6, atol=1e-6)


def test_clipping_bounds_both_sides_and_none_leaves_advantages_alone():
    advantages = np.array([-3.0, 0.1, 2.0])
    assert AdvantageScaling(clip=0.5)(advantages).tolist() == [-0.5, 0.1, 0.5]
    assert AdvantageScaling()(advantages) is advantages


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_bound_that_is_not_above_zero_is_refused(limit):
    with pytest.raises(ValueError, match="clip="):
        AdvantageScaling(clip=limit)


def test_a_row_gives_all_its_tokens_its_advantage_unless_they_have_their_own():
    rows, lengths = np.array([1.0, 2.0, 3.0]), np.array([2, 0, 1])
    assert expand_to_tokens(rows, None, lengths).tolist() == [1.0, 1.0, 3.0]
    own = np.array([5.0, 6.0, 7.0])
    assert expand_to_tokens(rows, own, lengths).tolist() == [5.0, 6.0, 7.0]


def test_advantages_that_fit_neither_rows_nor_tokens_are_refused():
    lengths = np.array([2, 0, 1])
    with pytest.raises(ValueError, match=r"advantages \(2,\) .* one entry per row"):
        expand_to_tokens(np.zeros(2), None, lengths)
    with pytest.raises(ValueError, match=r"returned \(4,\) advantages for \(3,\) response tokens"):
        expand_to_tokens(np.zeros(3), np.zeros(4), lengths)


def test_the_trajectory_baseline_counts_each_trajectory_once():
    # Group 5: returns 10 (one row) and 0 (three rows); group 9: one trajectory.
    returns = np.array([10.0, 0.0, 0.0, 0.0, 4.0])
    groups, trajectories = np.array([5, 5, 5, 5, 9]), np.array([1, 0, 0, 0, 2])
    found = episode_advantages(returns, groups, trajectories, divide_by_std=False)
    assert found.tolist() == [5.0, -5.0, -5.0, -5.0, 0.0]
    by_row = episode_advantages(returns, groups, trajectories, baseline="step", divide_by_std=False)
    assert by_row.tolist() == [7.5, -2.5, -2.5, -2.5, 0.0]

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rllib_gigpo.credit.returns import episode_returns, step_returns

REWARDS = st.lists(
    st.lists(st.sampled_from([0.0, 0.1, 0.3, 1.0, -0.7, 10.0]), min_size=1, max_size=6),
    min_size=1,
    max_size=6,
)


def flatten(trajectories):
    rewards = [reward for rewards in trajectories for reward in rewards]
    ids = [i for i, rewards in enumerate(trajectories) for _ in rewards]
    steps = [step for rewards in trajectories for step in range(len(rewards))]
    return np.array(rewards), np.array(ids), np.array(steps)


def test_returns_of_the_worked_example():
    rewards, ids, steps = flatten([[0.0, 0.0, 1.0], [0.0, 0.0]])
    assert episode_returns(rewards, ids).tolist() == [1.0, 1.0, 1.0, 0.0, 0.0]
    assert step_returns(rewards, ids, steps, gamma=0.5).tolist() == [0.25, 0.5, 1.0, 0.0, 0.0]


@given(REWARDS, st.sampled_from([0.0, 0.5, 0.95, 1.0]), st.randoms(use_true_random=False))
def test_step_returns_are_the_discounted_sums_in_any_row_order(trajectories, gamma, random):
    rewards, ids, steps = flatten(trajectories)
    expected = [
        float(sum(Fraction(gamma) ** k * Fraction(r) for k, r in enumerate(part[step:])))
        for part in trajectories
        for step in range(len(part))
    ]
    order = np.array(random.sample(range(len(rewards)), len(rewards)))
    found = step_returns(rewards[order], 7 * ids[order] - 3, 2 * steps[order], gamma=gamma)
    np.testing.assert_allclose(found, np.array(expected)[order], rtol=1e-14, atol=1e-14)


@given(REWARDS, st.randoms(use_true_random=False))
def test_episode_returns_are_bitwise_the_same_in_any_row_order(trajectories, random):
    rewards, ids, _ = flatten(trajectories)
    expected = np.array([math.fsum(trajectories[i]) for i in ids])
    order = np.array(random.sample(range(len(rewards)), len(rewards)))
    assert np.array_equal(episode_returns(rewards[order], ids[order]), expected[order])


def test_step_returns_of_equal_episodes_are_bitwise_equal_next_to_longer_ones():
    tail = [0.1, 0.0, 0.3]
    rewards, ids, steps = flatten([tail, [0.7, *tail], tail])
    found = step_returns(rewards, ids, steps, gamma=0.95)
    assert found[:3].tolist() == found[4:7].tolist() == found[7:].tolist()


def test_returns_of_no_rows_are_no_returns():
    empty = np.zeros(0)
    ids = np.zeros(0, dtype=np.int64)
    assert episode_returns(empty, ids).shape == (0,)
    assert step_returns(empty, ids, ids, gamma=0.9).shape == (0,)


def test_a_reward_that_is_not_finite_is_refused_with_its_row():
    with pytest.raises(ValueError, match="Row 1: the reward is nan"):
        episode_returns(np.array([0.0, np.nan]), np.array([0, 0]))


def test_two_rows_for_one_step_are_refused():
    ids = np.array([4, 4, 4])
    with pytest.raises(ValueError, match="Trajectory 4 has two rows for step 1"):
        step_returns(np.zeros(3), ids, np.array([0, 1, 1]), gamma=0.9)


def test_a_discount_outside_0_to_1_is_refused():
    with pytest.raises(ValueError, match=r"gamma=1\.5"):
        step_returns(np.zeros(1), np.zeros(1), np.zeros(1), gamma=1.5)

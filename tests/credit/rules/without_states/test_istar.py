"""iStar: step rewards are compared over all steps of the task, and added to the episode's."""

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_rows import random_rows
from support.rows import columns_of, worked_example

from rllib_gigpo import columns
from rllib_gigpo.credit.reward_normalization import RewardNormalization
from rllib_gigpo.credit.rules import GRPORule, IStarRule

REWARDS = np.array([0.1, -0.2, 0.3, -0.1, -0.6])  # mean -0.1, squared deviations sum up to 0.46


def batch_of(rewards=REWARDS, **options):
    batch = columns_of(worked_example(**options), penalty_mode="row")
    return {**batch, columns.IMPLICIT_REWARDS: rewards}


def test_two_levels_by_hand():
    found = IStarRule(step_weight=0.5, episode_weight=2.0)(batch_of())
    # Returns 1 and 0 have the unbiased standard deviation 0.7071068.
    episode = np.array([0.5, 0.5, 0.5, -0.5, -0.5]) / (0.7071068 + 1e-6)
    step = np.array([0.2, -0.1, 0.4, 0.0, -0.5]) / ((0.46 / 4) ** 0.5 + 1e-6)
    np.testing.assert_allclose(found.episode, episode, atol=1e-6)
    np.testing.assert_allclose(found.step, step, atol=1e-6)
    np.testing.assert_allclose(found.total, 2 * episode + 0.5 * step, atol=1e-6)


def test_without_a_standard_deviation():
    found = IStarRule(normalize_by_std=False)(batch_of())
    np.testing.assert_allclose(found.total, [0.7, 0.4, 0.9, -0.5, -1.0], atol=1e-12)


def test_a_penalty_on_the_row_lowers_its_episode_advantage_alone():
    rule = IStarRule(normalize_by_std=False)
    found = rule(batch_of(penalties=(0.0, 0.25, 0.0, 0.0, 0.0)))
    np.testing.assert_allclose(found.episode, [0.5, 0.25, 0.5, -0.5, -0.5], atol=1e-12)
    np.testing.assert_allclose(found.step, [0.2, -0.1, 0.4, 0.0, -0.5], atol=1e-12)


def test_rolls_normalisation_replaces_both_levels():
    rule = IStarRule(reward_normalization=RewardNormalization(method="mean"), normalize_by_std=True)
    np.testing.assert_allclose(rule(batch_of()).step, [0.2, -0.1, 0.4, 0.0, -0.5], atol=1e-12)


@given(rows=random_rows(), penalty_mode=st.just("row"))
def test_a_model_that_knows_nothing_leaves_grpo_exactly(rows, penalty_mode):
    batch = columns_of(rows, penalty_mode=penalty_mode)
    assert np.array_equal(IStarRule()(batch).total, GRPORule()(batch).total)


@given(rows=random_rows(), data=st.data())
def test_a_slow_version_agrees(rows, data):
    value = st.floats(-2, 2).map(lambda x: round(x, 3))
    rewards = data.draw(st.lists(value, min_size=len(rows), max_size=len(rows)))
    batch = columns_of(rows, penalty_mode="row")
    batch[columns.IMPLICIT_REWARDS] = np.array(rewards, dtype=np.float64)
    found = IStarRule(episode_weight=0.0)(batch).total
    for index, row in enumerate(rows):
        peers = [one for one, other in zip(rewards, rows, strict=True) if other.group == row.group]
        expected = 0.0
        if len(set(peers)) > 1:
            deviation = statistics.stdev(peers) + 1e-6
            expected = (rewards[index] - statistics.fmean(peers)) / deviation
        assert found[index] == pytest.approx(expected, abs=1e-9)

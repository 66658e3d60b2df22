"""SELAUR's uncertainty of tokens, steps and episodes: by hand, and by a slow version."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.episodes import episode_of, step_record
from support.quick_engine import certain

from rllib_gigpo import GiGPOConfig, columns
from rllib_gigpo.batch.token_uncertainty import TokenUncertainty
from rllib_gigpo.config.sections.credit import CreditSection
from rllib_gigpo.connectors.credit.read_steps import ReadSteps
from rllib_gigpo.connectors.credit.shaping.reward_uncertainty import RewardUncertainty
from rllib_gigpo.credit.uncertainty_reward import UncertaintyReward
from rllib_gigpo.errors import ConfigError, EngineError

# Distributions over 4 tokens: certain, between two, and among all four.
DISTRIBUTIONS = np.array([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25]])


def measured(distributions):
    """Return the uncertainty record of one answer, whose tokens come from these distributions."""
    p = np.asarray(distributions, dtype=np.float64).reshape(-1, 4)
    with np.errstate(divide="ignore"):
        logp = np.log(p)
    return TokenUncertainty(
        entropy=-(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1),
        top_logp=np.sort(logp, axis=1)[:, :-3:-1],
        vocab_size=4,
    )


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        # H/log 4 = 0, 1/2, 1;  1 - p1 = 0, 1/2, 3/4;  1 - (p1 - p2) = 0, 1, 1
        ({}, [0.0, 2 / 3, 2.75 / 3]),
        ({"confidence_weight": 0.0, "margin_weight": 0.0}, [0.0, 0.5, 1.0]),
        ({"entropy_weight": 0.0, "margin_weight": 0.0}, [0.0, 0.5, 0.75]),
        ({"entropy_weight": 0.0, "confidence_weight": 0.0}, [0.0, 1.0, 1.0]),
        ({"entropy_weight": 2.0, "margin_weight": 0.0}, [0.0, 0.5, 2.75 / 3]),
    ],
)
def test_a_tokens_uncertainty_is_the_weighted_mean_of_three_measures(weights, expected):
    one = measured(DISTRIBUTIONS)
    found = UncertaintyReward(**weights).of_tokens(one.entropy, one.top_logp, vocab_size=4)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_step_has_the_mean_of_its_tokens_and_none_without_tokens():
    steps = [measured(DISTRIBUTIONS), None, measured(DISTRIBUTIONS[1])]
    found = UncertaintyReward().of_steps(steps)
    np.testing.assert_allclose(found, [(2 / 3 + 2.75 / 3) / 3, 0.0, 2 / 3], atol=1e-12)
    assert UncertaintyReward().of_steps([None, None]).tolist() == [0.0, 0.0]
    assert UncertaintyReward().of_steps([]).shape == (0,)


@pytest.mark.parametrize(
    ("spread", "expected"),
    [("episode", [0, 0, 0.1, 0.3, 0.8]), ("step", [0, 0, 0.2, 0.6, 0.8])],
)
def test_only_failures_are_rewarded_and_their_steps_share_it(spread, expected):
    reward = UncertaintyReward(coeff=2.0, spread=spread)
    found = reward(
        np.array([0.9, 0.9, 0.1, 0.3, 0.4]),
        np.array([True, True, False, False, False]),
        np.array([0, 0, 1, 1, 2]),
    )
    np.testing.assert_allclose(found, expected, atol=1e-12)


def probabilities(draw_weights):
    weights = np.array(draw_weights)
    return weights / weights.sum()


TOKENS = st.lists(
    st.lists(st.integers(1, 50), min_size=4, max_size=4).map(probabilities), max_size=4
)


@given(
    episodes=st.lists(
        st.tuples(st.booleans(), st.lists(TOKENS, min_size=1, max_size=3)), min_size=1, max_size=4
    ),
    coeff=st.floats(0.01, 3.0),
    weights=st.tuples(*[st.floats(0.1, 2.0)] * 3),
)
def test_the_slow_version_agrees_on_random_batches(episodes, coeff, weights):
    w_h, w_c, w_m = weights
    expected = []
    for won, steps in episodes:
        for tokens in steps:
            total = 0.0
            for p in tokens:
                second, first = sorted(p)[-2:]
                entropy = -sum(x * math.log(x) for x in p)
                total += w_h * entropy / math.log(4) + w_c * (1 - first)
                total += w_m * (1 - first + second)
            mean = total / sum(weights) / len(tokens) if tokens else 0.0
            expected.append(0.0 if won else coeff * mean / len(steps))
    reward = UncertaintyReward(
        coeff=coeff, entropy_weight=w_h, confidence_weight=w_c, margin_weight=w_m
    )
    steps = [measured(tokens) if tokens else None for _, steps in episodes for tokens in steps]
    found = reward(
        reward.of_steps(steps),
        np.array([won for won, steps in episodes for _ in steps]),
        np.array([number for number, (_, steps) in enumerate(episodes) for _ in steps]),
    )
    np.testing.assert_allclose(found, expected, atol=1e-9)


# ---------------------------------------------------------------- the connector


def through_connector(*episodes, reward=None):
    batch = ReadSteps()(batch={}, episodes=list(episodes))
    return RewardUncertainty(reward or UncertaintyReward(coeff=1.0))(
        batch=batch, episodes=list(episodes)
    )


def test_the_connector_raises_the_rewards_of_failures_and_reports_both_kinds():
    known = {"num_tokens": 2, "uncertainty": certain(2)}
    lost = episode_of([step_record(**known), step_record(**known)])
    won = episode_of([step_record(**known, reward=1.0)])
    batch = through_connector(lost, won)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(4)
    each = (entropy + 0.25 + 0.5) / 3
    np.testing.assert_allclose(batch[columns.REWARDS], [each / 2, each / 2, 1.0], atol=1e-6)
    metrics = batch[columns.CREDIT_METRICS]
    assert metrics["uncertainty_of_failures"] == pytest.approx(each, abs=1e-6)
    assert metrics["uncertainty_of_successes"] == pytest.approx(each, abs=1e-6)
    assert metrics["uncertainty_reward_mean"] == pytest.approx(each / 3, abs=1e-6)
    assert metrics["uncertainty_rewarded_share"] == pytest.approx(2 / 3)
    assert won.get_rewards()[0] == 1.0
    assert lost.get_return() == 0.0  # success and the rollout metrics stay the environment's


def test_an_engine_that_tells_no_uncertainty_is_named_with_the_cure():
    with pytest.raises(EngineError, match=r"fill Generation\.uncertainty .* or set training"):
        through_connector(episode_of([step_record()]))
    batch = through_connector(episode_of([step_record(num_tokens=0)]))
    np.testing.assert_array_equal(batch[columns.REWARDS], [0.0])


# ---------------------------------------------------------------- the setting


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"coeff": 0.0}, "uncertainty_reward.coeff=0.0 must be above 0"),
        ({"margin_weight": -1.0}, "uncertainty_reward.margin_weight=-1.0 must be at least 0"),
        ({"spread": "token"}, "uncertainty_reward.spread='token' is not one of"),
        ({"weight": 1.0}, "uncertainty_reward.weight is not an option"),
        (
            {"entropy_weight": 0.0, "confidence_weight": 0.0, "margin_weight": 0.0},
            "are all 0, so no token is uncertain; set one",
        ),
    ],
)
def test_rewards_that_cannot_be_are_refused(value, message):
    with pytest.raises(ConfigError, match=message):
        _ = GiGPOConfig().training(uncertainty_reward=value).settings


def test_it_is_off_by_default_and_true_means_the_defaults():
    assert GiGPOConfig().uncertainty_reward is None
    assert CreditSection(uncertainty_reward=True).uncertainty_reward == UncertaintyReward()
    assert CreditSection(uncertainty_reward=False).uncertainty_reward is None

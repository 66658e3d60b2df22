"""The steps after a rule: advantages per token, whitening, clipping, token rows."""

import math

import numpy as np
import pytest
from support.episodes import episode_of, step_record

from rllib_gigpo import columns
from rllib_gigpo.config.sections.credit import CreditSection
from rllib_gigpo.connectors.credit.assemble_token_rows import AssembleTokenRows
from rllib_gigpo.connectors.credit.compute_advantages import ComputeAdvantages
from rllib_gigpo.credit.advantages import AdvantageScaling
from rllib_gigpo.credit.rules import Advantages, make_rule

LENGTHS = np.array([1, 3])


def four_and_zero(batch):
    return np.array([4.0, 0.0])


def token_by_token(batch):
    return np.array([4.0, 0.0, 1.0, 2.0])


def rows_and_tokens(batch):
    rows = np.array([7.0, 8.0])
    return Advantages(episode=rows, step=rows, total=rows, tokens=np.array([4.0, 0.0, 1.0, 2.0]))


def computed(rule, **scaling):
    batch = {columns.RESPONSE_LENGTHS: LENGTHS}
    return ComputeAdvantages(make_rule(rule), AdvantageScaling(**scaling))(batch=batch)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [4.0, 0.0]),
        ({"clip": 1.0}, [1.0, 0.0]),
        # One token of 4 and three of 0: mean 1, variance 3.
        ({"whiten": True}, [math.sqrt(3), -1 / math.sqrt(3)]),
        # In the reverse order, the clipped 1 and 0 would become √3 and -1/√3 again.
        ({"whiten": True, "clip": 1.0}, [1.0, -1 / math.sqrt(3)]),
    ],
)
def test_advantages_are_whitened_over_tokens_and_then_clipped(settings, expected):
    credit = CreditSection(rule=four_and_zero, advantages=settings)
    batch = ComputeAdvantages(credit.rule, credit.advantages)(
        batch={columns.RESPONSE_LENGTHS: LENGTHS}
    )
    np.testing.assert_allclose(batch[columns.ADVANTAGES], np.repeat(expected, LENGTHS), atol=1e-6)
    # The unscaled results of the rule are kept for the transcripts.
    np.testing.assert_array_equal(batch[columns.STEP_ADVANTAGES], [4.0, 0.0])


@pytest.mark.parametrize("rule", [token_by_token, rows_and_tokens])
def test_a_rule_may_give_each_token_its_own_advantage(rule):
    np.testing.assert_array_equal(computed(rule)[columns.ADVANTAGES], [4.0, 0.0, 1.0, 2.0])


def test_a_row_of_several_tokens_is_described_by_their_mean():
    batch = computed(token_by_token)
    np.testing.assert_array_equal(batch[columns.STEP_ADVANTAGES], [4.0, 1.0])
    np.testing.assert_array_equal(batch[columns.EPISODE_ADVANTAGES], [0.0, 0.0])
    assert batch[columns.CREDIT_METRICS]["advantage_abs_mean"] == 2.5


def test_whitening_sees_the_tokens_and_not_their_rows():
    # 4, 0, 1, 2: mean 1.75, biased variance 35/16. Rows 4 and 1 would give mean 2.5 or 1.75.
    found = computed(token_by_token, whiten=True)[columns.ADVANTAGES]
    expected = (np.array([4.0, 0.0, 1.0, 2.0]) - 1.75) / math.sqrt(35 / 16)
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_a_rule_that_gives_too_many_or_too_few_is_an_error():
    with pytest.raises(ValueError, match=r"returned shape \(3,\); return \(2,\)"):
        computed(lambda batch: np.zeros(3))
    short, rows = np.zeros(3), np.zeros(2)
    with pytest.raises(ValueError, match=r"returned \(3,\) advantages for \(4,\) response tokens"):
        computed(lambda batch: Advantages(episode=rows, step=rows, total=rows, tokens=short))
    with pytest.raises(ValueError, match="one entry per row"):
        computed(lambda batch: Advantages(episode=short, step=short, total=short))


def test_the_learners_get_each_token_with_its_own_advantage():
    episodes = [episode_of([step_record(num_tokens=1), step_record(num_tokens=3)])]
    labels = dict.fromkeys((columns.TRAJECTORY_IDS, columns.GROUP_IDS), np.array([0, 0]))
    batch = {**computed(token_by_token), **labels}
    batch = AssembleTokenRows(num_minibatches=1, seed=0)(batch=batch, episodes=episodes)
    rows = batch[columns.TOKEN_ROWS]
    assert rows.advantages.tolist() == [4.0, 0.0, 1.0, 2.0]
    assert rows.token_ids.tolist() == [1, 2, 10, 1, 2, 10, 11, 12]
    assert rows.select(np.array([1])).advantages.tolist() == [0.0, 1.0, 2.0]

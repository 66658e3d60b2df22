"""BiPACE-Q: a table by hand, a slow version, and what is left where states do not recur."""

import statistics

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.random_rows import episode_of, made_unique, random_rows, task_of
from support.rows import GAMMA, Row, columns_of

from rllib_gigpo.credit.rules import BiPACEQRule, GRPORule


def test_actions_are_compared_with_the_mean_of_their_state():
    actions = {"go": (1.0, 0.0), "wait": (0.5, 0.0), "jump": (0.0,)}
    rows = [
        Row(0, number, 0, reward, "s", action=action)
        for number, (action, reward) in enumerate(
            (action, reward) for action, rewards in actions.items() for reward in rewards
        )
    ]
    # Mean 0.3. Q(go) = 0.5, Q(wait) = 0.25; jump once: 0 less the mean of the others, 0.375.
    found = BiPACEQRule()(columns_of(rows))
    np.testing.assert_allclose(found.total, [0.2, 0.2, -0.05, -0.05, -0.375], atol=1e-12)


def test_a_lone_state_and_a_lone_action_get_nothing():
    rows = [
        Row(0, 0, 0, 1.0, "s", action="go"),
        Row(0, 1, 0, 0.0, "s", action="go"),
        Row(0, 2, 0, 5.0, "t", action="go"),
        Row(1, 3, 0, 9.0, "s", action="wait"),
    ]
    assert BiPACEQRule()(columns_of(rows)).total.tolist() == [0, 0, 0, 0]


def slow_step(rows):
    def discounted(row):
        rest = [r for r in episode_of(rows, row) if r.step >= row.step]
        return sum(GAMMA ** (r.step - row.step) * r.reward for r in rest) - row.penalty

    result = []
    for row in rows:
        state = [r for r in task_of(rows, row) if r.anchor == row.anchor]
        same = [r for r in state if r.action == row.action]
        others = [r for r in state if r is not row]
        if not others:
            result.append(0.0)
        elif len(same) == 1:
            result.append(discounted(row) - statistics.fmean(map(discounted, others)))
        else:
            mean = statistics.fmean(map(discounted, state))
            result.append(statistics.fmean(map(discounted, same)) - mean)
    return result


@given(rows=random_rows())
def test_bipace_q_is_the_slow_version(rows):
    found = BiPACEQRule()(columns_of(rows, penalty_mode="row"))
    np.testing.assert_allclose(found.total, slow_step(rows), rtol=1e-9, atol=1e-9)


@given(rows=random_rows(), episode_term=st.booleans())
def test_without_recurring_states_the_episode_term_is_all_that_is_left(rows, episode_term):
    batch = columns_of(made_unique(rows), penalty_mode="row")
    found = BiPACEQRule(episode_term=episode_term)(batch)
    expected = GRPORule(normalize_by_std=False, episode_weight=float(episode_term))(batch)
    assert np.array_equal(found.total, expected.total)

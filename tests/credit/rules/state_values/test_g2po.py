"""G2PO: a table by hand, a slow version, and what is left where states do not recur."""

import statistics

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.random_rows import episode_of, following, made_unique, random_rows, task_of
from support.rows import GAMMA, Row, columns_of

from rllib_gigpo.credit.rules import G2PORule, GRPORule


def fork():
    """A winner and a loser that part at s."""
    return [
        Row(0, 0, 0, 0.0, "s"),
        Row(0, 0, 1, 8.0, "a"),
        Row(0, 1, 0, 0.0, "s"),
        Row(0, 1, 1, 0.0, "b"),
    ]


def test_the_values_of_a_fork_by_hand():
    # γ = 0.5: V(a) = 0.5 · 8 = 4, V(b) = 0, V(s) = mean of 0.25 · 8 and 0 = 1; the ends: 8 and 0.
    before, after = G2PORule(gamma=0.5).state_values(columns_of(fork()))
    assert before.tolist() == [1, 4, 1, 0]
    assert after.tolist() == [4, 8, 0, 0]


def test_the_advantages_of_a_fork_by_hand():
    found = G2PORule(gamma=0.5, step_weight=2.0)(columns_of(fork()))
    # A1: 4 and 0 from s; A2: 3, 4, -1, 0, mean 1.5; A^E: 4 and -4.
    step = np.array([2 + 1.5, 2.5, -2 - 2.5, -1.5])
    np.testing.assert_allclose(found.step, step, atol=1e-12)
    np.testing.assert_allclose(found.total, np.array([4, 4, -4, -4]) + 2 * step, atol=1e-12)


def test_a_penalty_on_the_row_enters_a1_and_the_episode_but_not_a2():
    rows = fork()
    rows[2].penalty = 0.1
    found = G2PORule(gamma=0.5)(columns_of(rows, penalty_mode="row"))
    np.testing.assert_allclose(found.step, [2.05 + 1.5, 2.5, -2.05 - 2.5, -1.5], atol=1e-12)
    np.testing.assert_allclose(found.episode, [4, 4, -4.1, -4], atol=1e-12)


def slow_z(value, members, divide_by_std):
    if len(set(members)) == 1:
        return 0.0
    spread = statistics.stdev(members) + 1e-6 if divide_by_std else 1.0
    return (value - statistics.fmean(members)) / spread


def slow_step(rows, divide_by_std):
    def total(row):
        return sum(r.reward for r in episode_of(rows, row))

    def value(row):
        visits = [r for r in task_of(rows, row) if r.anchor == row.anchor]
        return statistics.fmean(
            GAMMA ** (len(episode_of(rows, r)) - r.step) * total(r) for r in visits
        )

    def after(row):
        then = following(rows, row)
        return value(then) if then else total(row)

    result = []
    for row in rows:
        task = task_of(rows, row)
        peers = [r for r in task if r.anchor == row.anchor]
        same = slow_z(
            after(row) - row.penalty, [after(r) - r.penalty for r in peers], divide_by_std
        )
        whole = slow_z(after(row) - value(row), [after(r) - value(r) for r in task], divide_by_std)
        result.append(same + whole)
    return result


# Rewards of whole numbers, so that equal values are exactly equal here and there.
@given(rows=random_rows(), divide_by_std=st.booleans())
def test_g2po_is_the_slow_version(rows, divide_by_std):
    rule = G2PORule(gamma=GAMMA, normalize_by_std=divide_by_std)
    found = rule(columns_of(rows, penalty_mode="row"))
    np.testing.assert_allclose(found.step, slow_step(rows, divide_by_std), rtol=1e-9, atol=1e-9)


@given(rows=random_rows(penalties=(0.0,)))
def test_without_recurring_states_the_comparison_over_the_task_is_left(rows):
    batch = columns_of(made_unique(rows))
    found = G2PORule(gamma=GAMMA)(batch)
    gains = []
    for row in rows:
        episode = episode_of(rows, row)
        left = len(episode) - row.step
        gains.append((1 - GAMMA) * GAMMA ** (left - 1) * sum(r.reward for r in episode))
    means = [
        statistics.fmean(gain for r, gain in zip(rows, gains, strict=True) if r.group == row.group)
        for row in rows
    ]
    np.testing.assert_allclose(found.step, np.array(gains) - means, rtol=1e-9, atol=1e-9)
    grpo = GRPORule(normalize_by_std=False)(batch)
    assert np.array_equal(found.episode, grpo.episode)

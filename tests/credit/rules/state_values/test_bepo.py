"""Gated BEPO: a table by hand, a slow version, and the gate."""

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_rows import episode_of, following, made_unique, random_rows, task_of
from support.rows import GAMMA, Row, columns_of

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.credit.rules import BEPORule, GRPORule
from rllib_gigpo.credit.rules.state_values.visited_graph import VisitedGraph
from rllib_gigpo.errors import ConfigError


def crossing():
    """One episode wins from m, another one fails there; only the second came by b."""
    return [
        Row(0, 0, 0, 0.0, "s", won=True),
        Row(0, 0, 1, 0.0, "a", won=True),
        Row(0, 0, 2, 4.0, "m", won=True),
        Row(0, 1, 0, 0.0, "s"),
        Row(0, 1, 1, 0.0, "b"),
        Row(0, 1, 2, 0.0, "m"),
    ]


def test_a_state_profits_from_the_continuation_of_another_episode():
    batch = columns_of(crossing())
    graph = VisitedGraph.of(batch)
    found = graph.values(np.array([row.reward for row in crossing()]), gamma=0.5)
    # Numbered as they appear: s, a, m, b. V(m) = 2, V(a) = V(b) = 1, V(s) = 0.5.
    np.testing.assert_allclose(found, [0.5, 1, 2, 1], rtol=1e-12)
    assert graph.num_successors().tolist() == [2, 1, 2, 1]  # m: won and lost


def test_the_advantages_behind_the_gate_by_hand():
    found = BEPORule(gamma=0.5, gae_lambda=0.5, step_weight=3.0)(columns_of(crossing()))
    # δ: 0, 0, 2 | 0, 0, -2. GAE at γλ = 0.25: 0.125, 0.5, 2 | -0.125, -0.5, -2; a and b are closed.
    step = np.array([0.125, 0, 2, -0.125, 0, -2])
    np.testing.assert_allclose(found.step, step, atol=1e-12)
    np.testing.assert_allclose(found.total, np.array([2.0] * 3 + [-2.0] * 3) + 3 * step, atol=1e-12)


def test_a_circle_has_a_value_even_without_a_discount():
    rows = [
        Row(0, 0, 0, 0.0, "a"),
        Row(0, 0, 1, 0.0, "a"),
        Row(0, 0, 2, 1.0, "a"),
        Row(0, 1, 0, 0.0, "a"),
    ]
    # V = (V + V + 1 + 0) / 4.
    values = VisitedGraph.of(columns_of(rows)).values(np.array([0, 0, 1.0, 0]), gamma=1.0)
    np.testing.assert_allclose(values, [0.5], rtol=1e-12)


def test_a_penalty_lowers_the_rewards_or_the_row():
    rows = crossing()
    rows[3].penalty = 0.4
    # Mode "return": V(s) falls by 0.2, δ of the two steps from s become 0.2 and -0.2.
    lowered = BEPORule(gamma=GAMMA, gae_lambda=0.0)(columns_of(rows))
    np.testing.assert_allclose(lowered.step[[0, 3]], [0.2, -0.2], atol=1e-12)
    # Mode "row": of four open steps one has 0.4 less.
    on_row = BEPORule(gamma=GAMMA, gae_lambda=0.0)(columns_of(rows, penalty_mode="row"))
    np.testing.assert_allclose(on_row.step[[0, 3]], [0.1, -0.3], atol=1e-12)


def slow_step(rows, gae_lambda, divide_by_std):
    def target(row):
        then = following(rows, row)
        return then.anchor if then else ("won" if row.won else "lost")

    values = {(row.group, row.anchor): 0.0 for row in rows}
    for _ in range(400):  # at γ = 0.5 the error halves each time
        for group, anchor in values:
            visits = [r for r in rows if (r.group, r.anchor) == (group, anchor)]
            values[group, anchor] = statistics.fmean(
                r.reward - r.penalty + GAMMA * values.get((group, target(r)), 0.0) for r in visits
            )
    residuals = {
        id(row): row.reward
        - row.penalty
        + GAMMA * values.get((row.group, target(row)), 0.0)
        - values[row.group, row.anchor]
        for row in rows
    }
    raw = {}
    for row in rows:
        later = [r for r in episode_of(rows, row) if r.step >= row.step]
        decay = GAMMA * gae_lambda
        raw[id(row)] = sum(decay ** (r.step - row.step) * residuals[id(r)] for r in later)

    def is_open(row):
        return len({target(r) for r in task_of(rows, row) if r.anchor == row.anchor}) > 1

    result = []
    for row in rows:
        peers = [raw[id(r)] for r in task_of(rows, row) if is_open(r)]
        if not is_open(row):
            result.append(0.0)
            continue
        spread = statistics.stdev(peers) + 1e-6 if divide_by_std and len(peers) > 1 else 1.0
        result.append((raw[id(row)] - statistics.fmean(peers)) / spread)
    return result


@given(rows=random_rows(), gae_lambda=st.sampled_from([0.0, 0.7, 1.0]))
def test_bepo_is_the_slow_version(rows, gae_lambda):
    rule = BEPORule(gamma=GAMMA, gae_lambda=gae_lambda)
    found = rule(columns_of(rows)).step
    np.testing.assert_allclose(found, slow_step(rows, gae_lambda, False), rtol=1e-9, atol=1e-9)


def test_it_is_divided_by_the_std_of_the_open_steps():
    rows = crossing()
    found = BEPORule(gamma=GAMMA, gae_lambda=0.5, normalize_by_std=True)(columns_of(rows)).step
    np.testing.assert_allclose(found, slow_step(rows, 0.5, True), rtol=1e-9, atol=1e-9)


@given(rows=random_rows(), normalize_by_std=st.booleans())
def test_without_recurring_states_it_is_the_episode_advantage_exactly(rows, normalize_by_std):
    batch = columns_of(made_unique(rows), penalty_mode="row")
    found = BEPORule(normalize_by_std=normalize_by_std)(batch)
    expected = GRPORule(normalize_by_std=normalize_by_std)(batch)
    assert np.array_equal(found.total, expected.total)


def test_a_bad_lambda_is_refused():
    with pytest.raises(ConfigError, match=r"rule.gae_lambda=1.5 must be at most 1"):
        _ = GiGPOConfig().training(rule={"name": "bepo", "gae_lambda": 1.5}).settings

"""verl-agent's GiGPO: penalised scores, statistics over rows, raw scores of lone episodes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.rows import GAMMA, Row, columns_of, worked_example

from rllib_gigpo.credit.rules import GiGPORule, VerlAgentGiGPORule


def centred(value, members, divide_by_std):
    mean = math.fsum(members) / len(members)
    if not divide_by_std:
        return value - mean
    variance = math.fsum((member - mean) ** 2 for member in members) / (len(members) - 1)
    return (value - mean) / (math.sqrt(variance) + 1e-6)


def slow_verl_agent(rows, *, divide_by_std, weights):
    """Compare row by row: s = R(τ) - c with the rows of a task, R(t) - c with those of a state."""

    def score(row):
        rewards = [one.reward for one in rows if one.trajectory == row.trajectory]
        return math.fsum(rewards) - row.penalty

    def step_return(row):
        later = [one for one in rows if one.trajectory == row.trajectory and one.step >= row.step]
        return math.fsum(GAMMA ** (one.step - row.step) * one.reward for one in later) - row.penalty

    result = []
    for row in rows:
        task = [one for one in rows if one.group == row.group]
        state = [one for one in task if one.anchor == row.anchor]
        episode = score(row)
        if len(task) > 1:
            episode = centred(episode, [score(one) for one in task], divide_by_std)
        step = 0.0
        if len(state) > 1:
            step = centred(step_return(row), [step_return(one) for one in state], divide_by_std)
        result.append(weights[0] * episode + weights[1] * step)
    return result


@st.composite
def batches(draw):
    rows, trajectory = [], 0
    for group in range(draw(st.integers(1, 3))):
        for _ in range(draw(st.integers(1, 4))):
            for step in range(draw(st.integers(1, 4))):
                reward = draw(st.sampled_from([0.0, 0.0, 10.0, 1.0]))
                penalty = draw(st.sampled_from([0.0, 0.0, 0.125]))
                anchor = draw(st.sampled_from("abc"))
                rows.append(Row(group, trajectory, step, reward, anchor, penalty))
            trajectory += 1
    return rows


@given(rows=batches(), divide_by_std=st.booleans())
def test_it_is_the_slow_reference(rows, divide_by_std):
    rule = VerlAgentGiGPORule(normalize_by_std=divide_by_std, episode_weight=0.7, step_weight=1.3)
    found = rule(columns_of(rows, penalty_mode="row")).total
    expected = slow_verl_agent(rows, divide_by_std=divide_by_std, weights=(0.7, 1.3))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_without_penalties_it_is_gigpo_over_rows_with_raw_lone_episodes():
    rows = [*worked_example(), Row(1, 2, 0, 3.0, "a")]
    gigpo = GiGPORule(normalize_by_std=True, episode_baseline="step", lone_episode="raw")
    found, expected = (rule(columns_of(rows)) for rule in (VerlAgentGiGPORule(), gigpo))
    np.testing.assert_array_equal(found.total, expected.total)
    assert found.total[-1] == 3.0


def test_the_penalties_of_a_group_move_its_mean_unlike_those_of_gigpo():
    batch = columns_of(worked_example(penalties=(0.0, 0.0, 0.0, 0.0, 0.5)), penalty_mode="row")
    # Scores 1, 1, 1, 0, -0.5: mean 0.5. GiGPO's returns 1, 1, 1, 0, 0 have the mean 0.6.
    found = VerlAgentGiGPORule(normalize_by_std=False)(batch).episode
    np.testing.assert_allclose(found, [0.5, 0.5, 0.5, -0.5, -1.0], atol=1e-15)
    gigpo = GiGPORule(episode_baseline="step")(batch).episode
    np.testing.assert_allclose(gigpo, [0.4, 0.4, 0.4, -0.6, -1.1], atol=1e-15)


def test_a_penalised_lone_step_keeps_its_score():
    found = VerlAgentGiGPORule()(columns_of([Row(0, 0, 0, 10.0, "a", 0.5)], penalty_mode="row"))
    assert found.total.tolist() == pytest.approx([9.5])

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.rows import GAMMA, Row, columns_of, worked_example

from rllib_gigpo import GiGPOConfig, columns
from rllib_gigpo.credit.rules import (
    RULES,
    Advantages,
    CreditRule,
    GiGPORule,
    GRPORule,
    make_rule,
)
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.options.registry import option_names


def slow_centred(value, members, divide_by_std):
    if len(set(members)) == 1:
        return 0.0
    mean = math.fsum(members) / len(members)
    variance = math.fsum((member - mean) ** 2 for member in members) / (len(members) - 1)
    return (value - mean) / (math.sqrt(variance) + 1e-6 if divide_by_std else 1.0)


def slow_gigpo(rows, *, divide_by_std, baseline, penalty_mode, weights=(1.0, 1.0)):
    """Compute GiGPO row by row, with every mean from scratch."""

    def episode_return(row):
        return math.fsum(r.reward for r in rows if r.trajectory == row.trajectory)

    def step_return(row):
        taken = 1.0 if penalty_mode == "return" else 0.0
        result = 0.0
        rest = [r for r in rows if r.trajectory == row.trajectory and r.step >= row.step]
        for later in sorted(rest, key=lambda r: -r.step):
            result = later.reward - taken * later.penalty + GAMMA * result
        return result - (1.0 - taken) * row.penalty

    result = []
    for row in rows:
        group = [r for r in rows if r.group == row.group]
        firsts = [r for r in group if r.step == 0]
        peers = [r for r in group if r.anchor == row.anchor]
        episode = slow_centred(
            episode_return(row),
            [episode_return(r) for r in (firsts if baseline == "trajectory" else group)],
            divide_by_std,
        )
        episode -= row.penalty if penalty_mode == "row" else 0.0
        step = slow_centred(step_return(row), [step_return(r) for r in peers], divide_by_std)
        result.append(weights[0] * episode + weights[1] * step)
    return result


@st.composite
def batches(draw):
    reward = st.sampled_from([0.0, 1.0, 10.0, -0.5, 0.1])
    rows, trajectory = [], 0
    for group in range(draw(st.integers(1, 3))):
        for _ in range(draw(st.integers(1, 4))):
            for step in range(draw(st.integers(1, 4))):
                anchor = draw(st.sampled_from("abc"))
                penalty = draw(st.sampled_from([0.0, 0.0, 0.1]))
                rows.append(Row(group - 1, trajectory, step, draw(reward), anchor, penalty))
            trajectory += 1
    return rows


def test_gigpo_of_the_worked_example():
    found = GiGPORule()(columns_of(worked_example()))
    np.testing.assert_allclose(found.episode, [0.5, 0.5, 0.5, -0.5, -0.5], atol=1e-15)
    np.testing.assert_allclose(found.step, [-1 / 6, 0, 7 / 12, -5 / 12, 0], atol=1e-15)
    expected = [0.333333, 0.5, 1.083333, -0.916667, -0.5]
    np.testing.assert_allclose(found.total, expected, atol=1e-6)


def test_weights_scale_the_two_levels():
    found = GiGPORule(episode_weight=2.0, step_weight=0.6)(columns_of(worked_example()))
    expected = [1.0 - 0.1, 1.0, 1.0 + 0.35, -1.0 - 0.25, -1.0]
    np.testing.assert_allclose(found.total, expected, atol=1e-15)


def test_grpo_of_the_worked_example_divides_by_the_std_and_ignores_anchors():
    # Returns 1 and 0: the unbiased standard deviation is sqrt(1/2).
    scaled = 0.5 / (math.sqrt(0.5) + 1e-6)
    found = GRPORule()(columns_of(worked_example()))
    np.testing.assert_allclose(found.total, [scaled] * 3 + [-scaled] * 2, rtol=1e-14)
    assert not found.step.any()
    plain = GRPORule(normalize_by_std=False, episode_weight=2.0)(columns_of(worked_example()))
    assert plain.total.tolist() == [1.0, 1.0, 1.0, -1.0, -1.0]


def test_the_step_baseline_weighs_long_episodes_more():
    # Returns over rows: 1, 1, 1, 0, 0, mean 0.6.
    found = GRPORule(normalize_by_std=False, episode_baseline="step")(columns_of(worked_example()))
    np.testing.assert_allclose(found.total, [0.4, 0.4, 0.4, -0.6, -0.6], atol=1e-15)


def test_a_penalty_in_the_return_reaches_the_steps_before_and_not_the_episode_level():
    rows = worked_example(penalties=(0.0, 0.0, 0.4, 0.0, 0.0))
    found = GiGPORule()(columns_of(rows))
    # Step returns of τ1: 0.15, 0.3, 0.6; group a = {0.15, 0.6, 0}, mean 0.25.
    np.testing.assert_allclose(found.step, [-0.1, 0, 0.35, -0.25, 0], atol=1e-15)
    np.testing.assert_allclose(found.episode, [0.5, 0.5, 0.5, -0.5, -0.5], atol=1e-15)


def test_a_penalty_on_the_row_stays_on_the_row_at_both_levels():
    rows = worked_example(penalties=(0.0, 0.0, 0.4, 0.0, 0.0))
    found = GiGPORule()(columns_of(rows, penalty_mode="row"))
    # Step returns of τ1: 0.25, 0.5, 1 - 0.4; group a = {0.25, 0.6, 0}, mean 0.283333.
    expected = [0.25 - 0.85 / 3, 0, 0.6 - 0.85 / 3, -0.85 / 3, 0]
    np.testing.assert_allclose(found.step, expected, atol=1e-15)
    np.testing.assert_allclose(found.episode, [0.5, 0.5, 0.1, -0.5, -0.5], atol=1e-15)


@given(
    rows=batches(),
    divide_by_std=st.booleans(),
    baseline=st.sampled_from(["trajectory", "step"]),
    penalty_mode=st.sampled_from(["return", "row"]),
)
def test_gigpo_is_the_slow_reference(rows, divide_by_std, baseline, penalty_mode):
    rule = GiGPORule(
        normalize_by_std=divide_by_std,
        episode_baseline=baseline,
        episode_weight=0.7,
        step_weight=1.3,
    )
    expected = slow_gigpo(
        rows,
        divide_by_std=divide_by_std,
        baseline=baseline,
        penalty_mode=penalty_mode,
        weights=(0.7, 1.3),
    )
    found = rule(columns_of(rows, penalty_mode=penalty_mode))
    np.testing.assert_allclose(found.total, expected, rtol=1e-9, atol=1e-9)


@given(rows=batches(), divide_by_std=st.booleans(), random=st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows, divide_by_std, random):
    order = random.sample(range(len(rows)), len(rows))
    rule = GiGPORule(normalize_by_std=divide_by_std)
    expected = rule(columns_of(rows)).total[order]
    found = rule(columns_of([rows[row] for row in order])).total
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@given(
    rows=batches(),
    normalize_by_std=st.booleans(),
    penalty_mode=st.sampled_from(["return", "row"]),
)
def test_without_recurring_states_gigpo_is_grpo_exactly(rows, normalize_by_std, penalty_mode):
    for number, row in enumerate(rows):
        row.anchor = f"state {number}"
    batch = columns_of(rows, penalty_mode=penalty_mode)
    options = {"normalize_by_std": normalize_by_std}
    gigpo, grpo = GiGPORule(**options)(batch), GRPORule(**options)(batch)
    assert np.array_equal(gigpo.total, grpo.total)
    assert not gigpo.step.any()


@given(
    rewards=st.lists(st.floats(-100, 100), min_size=1, max_size=5),
    num_trajectories=st.integers(1, 30),
    normalize_by_std=st.booleans(),
    gamma=st.sampled_from([0.9, 0.95, 1.0]),
    random=st.randoms(use_true_random=False),
)
def test_equal_episodes_score_exactly_zero_at_both_levels(
    rewards, num_trajectories, normalize_by_std, gamma, random
):
    rows = [
        Row(3, trajectory, step, reward, f"state {step}")
        for trajectory in range(num_trajectories)
        for step, reward in enumerate(rewards)
    ]
    random.shuffle(rows)
    found = GiGPORule(normalize_by_std=normalize_by_std)(columns_of(rows, gamma=gamma))
    assert not found.episode.any()
    assert not found.step.any()
    assert not found.total.any()


def test_rules_read_no_other_columns_than_they_say():
    batch = columns_of(worked_example())
    for name in RULES.names():
        rule = make_rule(name)
        rule({column: batch[column] for column in rule.needs})


class Mine(CreditRule):
    name = "mine"
    needs = frozenset({columns.REWARDS})

    def __call__(self, columns_):
        rewards = columns_[columns.REWARDS]
        return Advantages(episode=rewards, step=rewards, total=rewards)


def test_rules_are_found_by_name_class_and_import_path():
    assert {"gigpo", "grpo", "rloo", "hgpo"} < set(RULES.names())
    assert RULES.find("grpo") is GRPORule
    assert RULES.find(Mine) is Mine
    assert RULES.find("rllib_gigpo.credit.rules.same_states.gigpo_rule:GiGPORule") is GiGPORule
    assert option_names(Mine) == ()
    assert "step_weight" in option_names(GiGPORule)
    assert "step_weight" not in option_names(GRPORule)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("gigpoo", r"use one of anchor_gae, bepo, bipace_q, g2po, gigpo, .*, or the import path"),
        ("no_such_module:Mine", "cannot be imported"),
        ("rllib_gigpo.credit.rules:Nothing", "cannot be imported"),
        ("rllib_gigpo.columns:REWARDS", "must be one of"),
        (dict, "must be one of"),
    ],
)
def test_a_rule_that_does_not_exist_is_refused_with_a_fix(rule, message):
    with pytest.raises(ConfigError, match=message):
        RULES.find(rule)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("penalty_mode", "'grpo' has no option 'penalty_mode'"),
        # Options of other rules, which are also separate settings.
        ("step_weight", "step_weight"),
        ("gamma", "gamma"),
    ],
)
def test_an_option_that_a_rule_lacks_is_refused(option, message):
    with pytest.raises(ConfigError, match=message):
        make_rule("grpo", **{option: 1.0})


@pytest.mark.parametrize("option", [{"normalize_by_std": "std"}, {"episode_baseline": "row"}])
def test_a_bad_option_is_refused(option):
    with pytest.raises(ConfigError, match=f"rule.{next(iter(option))}="):
        _ = GiGPOConfig().training(rule={"name": "gigpo", **option}).settings

"""The other rules, each with numbers computed by hand; test_rules covers GiGPO and GRPO."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from support.own_rules import own_levels, own_rule
from support.rows import GAMMA, Row, columns_of, worked_example

from rllib_gigpo import GiGPOConfig, columns
from rllib_gigpo.credit.reward_normalization import RewardNormalization
from rllib_gigpo.credit.rules import (
    RULES,
    AnchorGAERule,
    GiGPORule,
    HGPORule,
    PPORule,
    ReinforcePPRule,
    RLOORule,
    StepReinforceRule,
    VerlAgentGiGPORule,
    make_rule,
)
from rllib_gigpo.errors import ConfigError


def close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-6)


# Step returns of the worked example: 0.25, 0.5, 1 and 0, 0; episode returns 1 and 0.


def test_rloo_leaves_one_episode_out_or_one_row():
    batch = columns_of(worked_example())
    close(RLOORule()(batch).total, [1, 1, 1, -1, -1])
    # Rows 1, 1, 1, 0, 0: 5/4 of the difference from the mean 0.6.
    close(RLOORule(episode_baseline="step")(batch).total, [0.5, 0.5, 0.5, -0.75, -0.75])


def test_reinforce_pp_whitens_over_tokens():
    batch = columns_of(worked_example())
    # Mean 0.6, biased variance 0.24.
    expected = [0.4 / 0.24**0.5] * 3 + [-0.6 / 0.24**0.5] * 2
    close(ReinforcePPRule()(batch).total, expected)
    # One row has two tokens: mean 4/6, variance 2/9.
    batch[columns.RESPONSE_LENGTHS] = np.array([2, 1, 1, 1, 1])
    close(ReinforcePPRule()(batch).total, [0.5**0.5] * 3 + [-(2**0.5)] * 2)


def test_reinforce_pp_with_a_group_baseline_forgets_how_hard_a_task_is():
    rewards = {0: (5.0, 3.0), 1: (1.0, 0.0)}
    rows = [
        Row(group, 2 * group + member, 0, reward, "s")
        for group, pair in rewards.items()
        for member, reward in enumerate(pair)
    ]
    # Centred by task: 1, -1, 0.5, -0.5; mean 0, variance 0.625.
    expected = np.array([1, -1, 0.5, -0.5]) / 0.625**0.5
    close(ReinforcePPRule(return_baseline="group")(columns_of(rows)).total, expected)


def test_a_penalty_on_the_row_enters_reinforce_pp_before_whitening():
    rows = worked_example(penalties=(0.0, 0.0, 0.0, 0.0, 0.5))
    found = ReinforcePPRule()(columns_of(rows, penalty_mode="row")).total
    values = np.array([1, 1, 1, 0, -0.5])
    close(found, (values - values.mean()) / values.std())


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("identity", [0.25, 0.5, 1.0, 0.0, 0.0]),
        ("mean", [-0.1, 0.15, 0.65, -0.35, -0.35]),
        # Sum of squares 0.7: unbiased variance 0.175.
        ("mean_std", np.array([-0.1, 0.15, 0.65, -0.35, -0.35]) / (0.175**0.5 + 1e-6)),
    ],
)
def test_step_reinforce_normalises_step_returns(method, expected):
    rule = StepReinforceRule(reward_normalization=RewardNormalization(method=method))
    close(rule(columns_of(worked_example())).total, expected)


def test_asym_clip_bounds_below_closer_than_above():
    rows = [Row(0, n, 0, 0.0, "s") for n in range(19)] + [Row(0, 19, 0, 1.0, "s")]
    rule = StepReinforceRule(reward_normalization=RewardNormalization(method="asym_clip"))
    # A 1 among 20 rows: mean 0.05, unbiased variance 0.05, so it scores 4.25, clamped to 3.
    assert rule(columns_of(rows)).total[-1] == 3.0
    rows[-1].reward, rows[0].reward = 0.0, -1.0
    assert rule(columns_of(rows)).total[0] == -1.0


def test_reward_normalization_groups_by_task_tags_or_not_at_all():
    rows = [Row(g, g, 0, reward, "s") for g, reward in enumerate([0.0, 1.0, 2.0, 5.0])]
    batch = columns_of(rows)
    batch[columns.TAG_IDS] = np.array([0, 0, 1, 1])

    def found(grouping):
        normalization = RewardNormalization(grouping=grouping)
        return StepReinforceRule(reward_normalization=normalization)(batch).total

    close(found("batch"), [-2, -1, 0, 3])
    close(found("tags"), [-0.5, 0.5, -1.5, 1.5])
    close(found("traj_group_id"), [0, 0, 0, 0])


def test_reward_normalization_sets_both_levels_of_gigpo_over_rows():
    batch = columns_of(worked_example())
    found = GiGPORule(reward_normalization=RewardNormalization(method="mean"))(batch)
    close(found.episode, [0.4, 0.4, 0.4, -0.6, -0.6])
    close(found.step, [-1 / 6, 0, 7 / 12, -5 / 12, 0])
    scaled = GiGPORule(reward_normalization=RewardNormalization(method="asym_clip"))(batch)
    assert scaled.step.min() == pytest.approx(-5 / 12 / (0.5416667 / 2) ** 0.5, abs=1e-5)


def context_example():
    """Rows with returns 0.5, 1 | 0, 0 | 0.4, 0.8 and states a b | a b | c b."""
    return [
        Row(0, 0, 0, 0.0, "a"),
        Row(0, 0, 1, 1.0, "b"),
        Row(0, 1, 0, 0.0, "a"),
        Row(0, 1, 1, 0.0, "b"),
        Row(0, 2, 0, 0.0, "c"),
        Row(0, 2, 1, 0.8, "b"),
    ]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        # b: 1, 0, 0.8 differ by 0.4, -0.6, 0.2 from their mean; a b: 1, 0 by 0.5, -0.5.
        ({}, [0.25, (2 * 0.4 + 3 * 0.5) / 5, -0.25, (-2 * 0.6 - 3 * 0.5) / 5, 0, 0.2]),
        ({"level_offset": 0}, [0.25, (0.4 + 2 * 0.5) / 3, -0.25, (-0.6 - 2 * 0.5) / 3, 0, 0.2]),
        (
            {"level_weight_alpha": 2.0},
            [0.25, (4 * 0.4 + 9 * 0.5) / 13, -0.25, (-4 * 0.6 - 9 * 0.5) / 13, 0, 0.2],
        ),
        ({"anchor_context": 0}, [0.25, 0.4, -0.25, -0.6, 0, 0.2]),
        # A^E is 0.4, -0.6, 0.2 with weight 1.
        (
            {"episode_term": True},
            [
                (0.4 + 2 * 0.25) / 3,
                (0.4 + 2 * 0.4 + 3 * 0.5) / 6,
                (-0.6 - 2 * 0.25) / 3,
                (-0.6 - 2 * 0.6 - 3 * 0.5) / 6,
                0.2,
                (0.2 + 2 * 0.2) / 3,
            ],
        ),
    ],
)
def test_hgpo_weighs_deeper_contexts_more(settings, expected):
    found = HGPORule(normalize_by_std=False, **settings)(columns_of(context_example()))
    close(found.total, expected)


def test_a_penalty_on_the_row_enters_both_levels_of_hgpo():
    rows = context_example()
    rows[4].penalty = 0.3  # c, which is alone: its only level is A^E = 0.2
    rows[0].penalty = 0.3  # a: step returns 0.2 and 0; A^E = 0.4
    rule = HGPORule(normalize_by_std=False, episode_term=True)
    found = rule(columns_of(rows, penalty_mode="row"))
    close(found.episode[[0, 1, 4]], [0.1, 0.4, -0.1])
    close(found.total[[0, 2, 4]], [(0.1 + 2 * 0.1) / 3, (-0.6 - 2 * 0.1) / 3, -0.1])


def test_hgpo_divides_by_the_biased_std():
    found = HGPORule()(columns_of(worked_example()))
    # Group a: 0.25, 1, 0; sum of squared deviations 0.5416667, over 3.
    close(found.total, np.array([-1 / 6, 0, 7 / 12, -5 / 12, 0]) / ((0.5416667 / 3) ** 0.5 + 1e-6))


def test_the_context_of_hgpo_does_not_reach_into_another_episode():
    rows = [Row(0, 0, 0, 1.0, "a"), Row(0, 1, 0, 0.0, "a"), Row(0, 2, 0, 0.5, "b")]
    found = HGPORule(normalize_by_std=False)(columns_of(rows))
    close(found.total, [0.5, -0.5, 0])


def test_anchor_gae_accumulates_residuals_of_anchor_values():
    # V: a 0.416667, b 0.5, c 0; residuals -1/6, -7/24, 7/12 | -5/12, 0; γλ = 0.25.
    raw = np.array([-0.203125, -0.1458333, 0.5833333, -0.4166667, 0.0])
    rule = AnchorGAERule(gamma=GAMMA, gae_lambda=0.5, normalize_by_std=False)
    close(rule(columns_of(worked_example())).total, raw - raw.mean())


def test_anchor_gae_with_lambda_one_is_the_return_less_the_value():
    # Σ γ^l δ_{t+l} = R_t - V(s_t), whatever the values in between.
    raw = np.array([0.25, 0.5, 1, 0, 0]) - [5 / 12, 0.5, 5 / 12, 5 / 12, 0]
    rule = AnchorGAERule(gamma=GAMMA, gae_lambda=1.0, normalize_by_std=False)
    close(rule(columns_of(worked_example())).total, raw - raw.mean())


def test_ppo_is_gae_over_steps_with_the_critics_values():
    batch = columns_of(worked_example())
    batch[columns.VALUES] = np.array([0.4, 0.2, 0.6, 0.5, 0.1])
    # Residuals at γ = 0.5: -0.3, 0.1, 0.4 | -0.45, -0.1; γλ = 0.25.
    expected = [-0.3 + 0.25 * 0.2, 0.1 + 0.25 * 0.4, 0.4, -0.45 - 0.25 * 0.1, -0.1]
    found = PPORule(gamma=GAMMA, gae_lambda=0.5)(batch)
    close(found.total, expected)
    close(found.value_targets, batch[columns.VALUES] + expected)


def test_ppo_bootstraps_where_an_episode_was_cut_off():
    batch = columns_of(worked_example())
    batch[columns.BOOTSTRAP_VALUES] = np.array([0, 0, 0, 0, 0.8])
    found = PPORule(gamma=GAMMA, gae_lambda=1.0)(batch)
    # τ1 terminated; τ2 was truncated before a state of value 0.8.
    close(found.total, [0.25, 0.5, 1.0, 0.25 * 0.8, 0.5 * 0.8])


def test_a_penalty_on_the_row_does_not_teach_the_critic():
    rows = worked_example(penalties=(0.0, 0.0, 0.4, 0.0, 0.0))
    found = PPORule(gamma=GAMMA, gae_lambda=1.0)(columns_of(rows, penalty_mode="row"))
    close(found.total, [0.25, 0.5, 0.6, 0, 0])
    close(found.value_targets, [0.25, 0.5, 1.0, 0, 0])


def test_verl_agents_rule_takes_penalties_before_the_statistics_over_rows():
    rows = worked_example(penalties=(0.0, 0.0, 0.5, 0.0, 0.0))
    rule = VerlAgentGiGPORule(normalize_by_std=False, step_weight=0.0)
    # Rows 1, 1, 0.5, 0, 0: mean 0.5.
    close(rule(columns_of(rows, penalty_mode="row")).total, [0.5, 0.5, 0, -0.5, -0.5])


def test_a_lone_episode_keeps_its_return_where_asked():
    rows = [Row(0, 0, 0, 3.0, "a"), Row(1, 1, 0, 1.0, "a"), Row(1, 2, 0, 0.0, "a")]
    close(GiGPORule(lone_episode="raw")(columns_of(rows)).episode, [3.0, 0.5, -0.5])
    close(GiGPORule()(columns_of(rows)).episode, [0.0, 0.5, -0.5])


@pytest.mark.parametrize("name", RULES.names())
def test_no_rule_minds_the_order_of_rows(name):
    rows = [
        *worked_example(),
        *(Row(1, r.trajectory + 5, r.step, r.reward + 0.3, r.anchor) for r in context_example()),
    ]
    order = np.random.default_rng(0).permutation(len(rows))
    rule = make_rule(name)
    expected = rule(columns_of(rows)).total[order]
    close(rule(columns_of([rows[row] for row in order])).total, expected)


@pytest.mark.parametrize("name", [n for n in RULES.names() if n != "reinforce_pp"])
def test_equal_episodes_score_zero_under_every_group_rule(name):
    rows = [Row(0, n, step, 0.3, f"s{step}") for n in range(4) for step in range(3)]
    mean = {"reward_normalization": RewardNormalization(method="mean")}
    options = mean if name == "step_reinforce" else {}
    total = make_rule(name, **options)(columns_of(rows)).total
    # These compare different steps of an episode.
    if name in ("step_reinforce", "ppo", "hiper_critic", "g2po", "proxmo"):
        assert len(set(np.round(total, 12))) == 3
    else:
        assert not total.any()


def test_a_function_is_a_rule():
    batch = columns_of(worked_example())
    found = make_rule(own_rule)(batch)
    assert found.total.tolist() == found.step.tolist() == [0, 0, 2, 0, 0]
    assert make_rule("support.own_rules:own_rule")(batch).total.tolist() == [0, 0, 2, 0, 0]
    assert make_rule(own_levels)(batch).episode.tolist() == [1] * 5


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("hgpo", {"anchor_context": -1}, "rule.anchor_context=-1 must be at least 0"),
        ("hgpo", {"level_offset": 2}, "rule.level_offset=2 is not one of 0 or 1"),
        ("anchor_gae", {"gae_lambda": 1.5}, "rule.gae_lambda=1.5 must be at most 1"),
        ("reinforce_pp", {"return_baseline": "mean"}, "rule.return_baseline='mean' is not one of"),
        *(
            (name, {"penalty_mode": "score"}, "has no option 'penalty_mode'")
            for name in ("reinforce_pp", "step_reinforce", "hgpo", "anchor_gae", "ppo", "rloo")
        ),
        *(
            (name, {"normalize_by_std": value}, "rule.normalize_by_std=.* must be True or False")
            for name in ("gigpo", "grpo", "hgpo", "anchor_gae", "gigpo_verl_agent")
            for value in ("no", "mean", 0, None)
        ),
        ("rloo", {"episode_baseline": "row"}, "rule.episode_baseline='row' is not one of"),
        # The penalised scores differ between the rows of an episode.
        ("gigpo_verl_agent", {"episode_baseline": "trajectory"}, "is not one of 'step'"),
        ("gigpo", {"lone_episode": "keep"}, "rule.lone_episode='keep' is not one of"),
        ("gigpo", {"reward_normalization": {"how": "mean"}}, "how is not an option"),
        ("gigpo", {"reward_normalization": {"method": "median"}}, "median"),
        ("step_reinforce", {"reward_normalization": {"grouping": "all"}}, "grouping='all'"),
        (
            "gigpo",
            {"reward_normalization": {"method": "mean"}, "lone_episode": "raw"},
            "excludes lone_episode='raw'",
        ),
        (
            "gigpo",
            {"reward_normalization": {"method": "mean"}, "episode_baseline": "step"},
            "excludes episode_baseline='step'",
        ),
    ],
)
def test_a_bad_option_is_refused_with_its_name(name, options, message):
    with pytest.raises(ConfigError, match=message):
        _ = GiGPOConfig().training(rule={"name": name, **options}).settings


def test_the_method_identity_leaves_values_alone():
    values = np.array([1.0, 2.0])
    assert RewardNormalization(method="identity")(values, np.zeros(2, int)).tolist() == [1.0, 2.0]


def test_the_rules_of_the_document_run(tmp_path, monkeypatch):
    document = (Path(__file__).parents[3] / "docs/how_to/own_rule.md").read_text()
    (code,) = re.findall(r"```python\n# my_rules.py\n(.*?)```", document, re.DOTALL)
    (tmp_path / "my_rules.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    batch = columns_of(worked_example())
    found = make_rule("my_rules:last_step_only")(batch)
    assert found.total.tolist() == [0, 0, 1, 0, 0]
    scaled = make_rule("my_rules:Scaled", scale=1.0, step_weight=2.0)(batch)
    assert scaled.total.tolist() == [2, 2, 2, 0, 0]
    assert make_rule("my_rules:Scaled")(batch).total.tolist() == [2, 2, 2, 0, 0]
    sys.modules.pop("my_rules")

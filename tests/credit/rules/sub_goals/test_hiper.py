"""HiPER: advantages of switches, sub-goals and actions, by hand and by an independent slow one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_rows import episode_of, following, made_unique, random_rows
from support.rows import Row, columns_of

from rllib_gigpo import GiGPOConfig, columns
from rllib_gigpo.batch.sub_goal_step import TokenLevel
from rllib_gigpo.credit.rules import AnchorGAERule, HiPERCriticRule, HiPERRule, PPORule
from rllib_gigpo.credit.rules.sub_goals.segments import segment_ids
from rllib_gigpo.errors import ConfigError

ACTION, SUB_GOAL, SWITCH = TokenLevel.ACTION, TokenLevel.SUB_GOAL, TokenLevel.SWITCH
HALVES = {"gamma": 0.5, "turn_lambda": 0.5, "segment_lambda": 0.5}


def batch_of(rows, starts, levels, **options):
    """Return the columns of rows whose answers have tokens of these levels, a list per row."""
    return {
        **columns_of(rows, **options),
        columns.SEGMENT_STARTS: np.array(starts, dtype=bool),
        columns.RESPONSE_LENGTHS: np.array([len(row) for row in levels], dtype=np.int64),
        columns.TOKEN_LEVELS: np.array([one for row in levels for one in row], dtype=np.int8),
    }


def two_segments(penalty=0.0):
    """Return one episode of 4 steps, with a new sub-goal at step 2 and values 1, 2, 3, 4."""
    rewards, penalties = [0.0, 1.0, 0.0, 2.0], [0.0, 0.0, penalty, 0.0]
    rows = [
        Row(0, 0, step, reward, f"s{step}", penalties[step]) for step, reward in enumerate(rewards)
    ]
    answer = [SWITCH, SUB_GOAL, ACTION, ACTION]
    batch = batch_of(rows, [True, False, True, False], [answer] * 4, penalty_mode="row")
    batch[columns.VALUES] = np.array([1.0, 2.0, 3.0, 4.0])
    return batch


def z(values):
    values = np.asarray(values)
    return (values - values.mean()) / (values.std() + 1e-6)


def test_each_kind_of_token_gets_what_the_formulas_say():
    # δ = 0 + 2/2 - 1, 1 + 3/2 - 2, 0 + 4/2 - 3, 2 - 4 = 0, 0.5, -1, -2
    found = HiPERCriticRule(**HALVES).levels(two_segments())
    # γλ = 1/4, and nothing crosses from step 1 to step 2.
    np.testing.assert_allclose(found[ACTION], [0.125, 0.5, -1.5, -2.0], atol=1e-12)
    # From t on: 0 + 1/2 + 3/4 - 1, 1 + 3/2 - 2, 0 + 2/2 - 3, 2 - 4
    np.testing.assert_allclose(found[SWITCH], [0.25, 0.5, -2.0, -2.0], atol=1e-12)
    # δ_1 = 0.25 and δ_2 = -2; A_1 = 0.25 + 0.5² · 0.5 · (-2)
    np.testing.assert_allclose(found[SUB_GOAL], [0.0, 0.0, -2.0, 0.0], atol=1e-12)


def test_each_kind_is_standardised_over_the_rows_that_have_it():
    found = HiPERCriticRule(**HALVES)(two_segments()).tokens.reshape(4, 4)
    np.testing.assert_allclose(found[:, 0], z([0.25, 0.5, -2.0, -2.0]), atol=1e-12)
    # Only rows 0 and 2 start a segment.
    np.testing.assert_allclose(found[[0, 2], 1], z([0.0, -2.0]), atol=1e-12)
    np.testing.assert_array_equal(found[[1, 3], 1], [0.0, 0.0])
    np.testing.assert_allclose(found[:, 2], z([0.125, 0.5, -1.5, -2.0]), atol=1e-12)
    np.testing.assert_array_equal(found[:, 2], found[:, 3])


def test_a_role_that_is_paid_a_hundred_times_as_much_does_not_drown_the_other():
    rows = [Row(0, 0, step, reward, f"s{step}") for step, reward in enumerate([1.0, 0.0, 2.0])]
    rows += [Row(1, 1, r.step, 100 * r.reward, r.anchor) for r in rows]
    batch = batch_of(rows, [True, False, False] * 2, [[ACTION]] * 6)
    batch[columns.VALUES] = np.zeros(6)
    together = HiPERCriticRule(**HALVES)(batch).tokens
    apart = HiPERCriticRule(**HALVES)(batch | {columns.ROLES: ["a"] * 3 + ["b"] * 3}).tokens
    np.testing.assert_allclose(apart[:3], apart[3:], atol=1e-5)
    assert abs(together[:3]).max() < 0.6 * abs(together[3:]).max()


def test_the_metrics_see_the_mean_of_a_rows_tokens():
    advantages = HiPERCriticRule(**HALVES)(two_segments())
    np.testing.assert_allclose(advantages.total, advantages.tokens.reshape(4, 4).mean(axis=1))
    assert not advantages.episode.any()


def test_the_critic_learns_what_the_actions_earned_and_nothing_of_a_rows_penalty():
    for penalty in (0.0, 0.7):
        found = HiPERCriticRule(**HALVES)(two_segments(penalty)).value_targets
        np.testing.assert_allclose(found, [1.125, 2.5, 1.5, 2.0], atol=1e-12)


def test_the_critic_goes_on_after_a_truncated_episode():
    batch = two_segments()
    batch[columns.BOOTSTRAP_VALUES] = np.array([0.0, 0.0, 0.0, 6.0])
    found = HiPERCriticRule(**HALVES).levels(batch)
    np.testing.assert_allclose(found[SWITCH][2:], [-0.5, 1.0], atol=1e-12)  # 2 + 6/2 - 4 = 1


def test_a_rows_penalty_lowers_all_its_tokens_before_the_statistics():
    found = HiPERCriticRule(**HALVES)(two_segments(penalty=0.5)).tokens.reshape(4, 4)
    np.testing.assert_allclose(found[:, 0], z([0.25, 0.5, -2.5, -2.0]), atol=1e-12)
    np.testing.assert_allclose(found[[0, 2], 1], z([0.0, -2.5]), atol=1e-12)
    np.testing.assert_allclose(found[:, 2], z([0.125, 0.5, -2.0, -2.0]), atol=1e-12)


def test_without_a_critic_a_state_is_worth_its_mean_step_return():
    # At γ = 1/2, R = 0.25, 0.5, 1 and 0, 0; V(a) = 0.125, V(b) = 0.5, V(c) = 1, V(d) = 0.
    rows = [Row(0, 0, 0, 0, "a"), Row(0, 0, 1, 0, "b"), Row(0, 0, 2, 1, "c")]
    rows += [Row(0, 1, 0, 0, "a"), Row(0, 1, 1, 0, "d")]
    answer = [SWITCH, SUB_GOAL, ACTION]
    batch = batch_of(rows, [True, False, True, True, False], [answer] * 5)
    found = HiPERRule(**HALVES).levels(batch)
    # δ = 0.25 - 0.125, 0, 0 and -0.125, 0
    np.testing.assert_allclose(found[ACTION], [0.125, 0, 0, -0.125, 0], atol=1e-12)
    np.testing.assert_allclose(found[SUB_GOAL], [0.125, 0, 0, -0.125, 0], atol=1e-12)


# ---------------------------------------------------------------- degenerate cases


@given(rows=random_rows())
def test_without_blocks_it_is_gae_over_the_whole_episode(rows):
    batch = columns_of(rows, gamma=0.9)
    options = {"gamma": 0.9, "turn_lambda": 0.7}
    batch[columns.VALUES] = np.arange(len(rows)) / 7
    expected = PPORule(gamma=0.9, gae_lambda=0.7)(batch).total
    found = HiPERCriticRule(**options).levels(batch)[ACTION]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    one_task = columns_of([Row(0, *_fields(row)) for row in rows], gamma=0.9)
    gae = AnchorGAERule(gamma=0.9, gae_lambda=0.7, normalize_by_std=False)(one_task).total
    tokens = HiPERRule(**options)(one_task).tokens
    np.testing.assert_allclose(tokens * (gae.std() + 1e-6), gae, atol=1e-9)


def _fields(row):
    return row.trajectory, row.step, row.reward, row.anchor, row.penalty


@given(rows=random_rows())
def test_if_every_step_switches_sub_goals_get_that_gae_and_actions_their_residual(rows):
    batch = columns_of(rows, gamma=0.9)
    batch[columns.VALUES] = np.arange(len(rows)) / 7
    batch[columns.SEGMENT_STARTS] = np.ones(len(rows), dtype=bool)
    found = HiPERCriticRule(gamma=0.9, segment_lambda=0.7).levels(batch)
    for level, gae_lambda in ((SUB_GOAL, 0.7), (ACTION, 0.0), (SWITCH, 0.0)):
        expected = PPORule(gamma=0.9, gae_lambda=gae_lambda)(batch).total
        np.testing.assert_allclose(found[level], expected, atol=1e-9)


@given(rows=random_rows(penalties=(0.0,)))
def test_rounding_is_left_where_no_state_recurs(rows):
    found = HiPERRule().levels(columns_of(made_unique(rows), gamma=0.95))
    for level in TokenLevel:
        np.testing.assert_allclose(found[level], 0, atol=1e-12)


def test_answers_without_tokens_and_batches_without_rows_are_fine():
    rows = [Row(0, 0, 0, 1.0, "a"), Row(0, 0, 1, 0.0, "b")]
    assert HiPERRule()(batch_of(rows, [True, False], [[], []])).tokens.shape == (0,)
    assert HiPERRule()(batch_of(rows, [True, False], [[], [ACTION]])).tokens.tolist() == [0.0]
    nothing = {name: column[:0] for name, column in columns_of(rows).items()}
    assert HiPERRule()(nothing).total.shape == (0,)


def test_the_first_step_of_an_episode_starts_a_segment_whatever_the_column_says():
    found = segment_ids(np.zeros(4, bool), np.array([1, 0, 0, 1]), np.array([0, 1, 0, 1]))
    assert found.tolist() == [1, 0, 0, 1]


# ---------------------------------------------------------------- the slow version


def slow_levels(rows, starts, values, after, *, gamma, turn_lambda, segment_lambda):
    """Write the formulas of each row out as sums."""
    reward = {id(row): row.reward - row.penalty for row in rows}
    value = {id(row): v for row, v in zip(rows, values, strict=True)}
    end = {id(row): v for row, v in zip(rows, after, strict=True)}
    starts = {id(row): s for row, s in zip(rows, starts, strict=True)}

    def value_after(row):
        return end[id(row)] if following(rows, row) is None else value[id(following(rows, row))]

    def rest_of_segment(row):
        rest = [r for r in episode_of(rows, row) if r.step >= row.step]
        cut = next((n for n, r in enumerate(rest) if n and starts[id(r)]), len(rest))
        return rest[:cut]

    def residual(row):
        return reward[id(row)] + gamma * value_after(row) - value[id(row)]

    def to_the_end(row):
        part = rest_of_segment(row)
        total = sum(gamma**n * reward[id(r)] for n, r in enumerate(part))
        return total + gamma ** len(part) * value_after(part[-1]) - value[id(row)]

    def of_segments(row):
        if not starts[id(row)]:
            return 0.0
        total, later, weight = 0.0, row, 1.0
        while later is not None:
            part = rest_of_segment(later)
            total += weight * to_the_end(later)
            weight *= gamma ** len(part) * segment_lambda
            later = following(rows, part[-1])
        return total

    decay = gamma * turn_lambda
    return {
        ACTION: [
            sum(decay**n * residual(r) for n, r in enumerate(rest_of_segment(row))) for row in rows
        ],
        SUB_GOAL: [of_segments(row) for row in rows],
        SWITCH: [to_the_end(row) for row in rows],
    }


@given(rows=random_rows(), data=st.data())
def test_the_slow_version_agrees_on_random_batches(rows, data):
    options = {
        name: data.draw(st.floats(0, 1)) for name in ("gamma", "turn_lambda", "segment_lambda")
    }
    starts = [row.step == 0 or data.draw(st.booleans()) for row in rows]
    answer = st.lists(st.sampled_from(list(TokenLevel)), max_size=4)
    batch = batch_of(rows, starts, [data.draw(answer) for _ in rows], gamma=options["gamma"])
    values = np.array([data.draw(st.floats(-2, 2)) for _ in rows])
    is_last = [following(rows, row) is None for row in rows]
    after = np.where(is_last, data.draw(st.floats(-2, 2)), 0.0)
    batch[columns.VALUES], batch[columns.BOOTSTRAP_VALUES] = values, after
    expected = slow_levels(rows, starts, values, after, **options)
    found = HiPERCriticRule(**options).levels(batch)
    for level in TokenLevel:
        np.testing.assert_allclose(found[level], expected[level], atol=1e-9)
    tokens = HiPERCriticRule(**options)(batch).tokens
    lengths, kinds = batch[columns.RESPONSE_LENGTHS], batch[columns.TOKEN_LEVELS]
    row_of = np.repeat(np.arange(len(rows)), lengths)
    for level in TokenLevel:
        # The rows that count: those with such a token that, for sub-goals, start a segment.
        among = sorted(set(row_of[kinds == level].tolist()))
        among = [r for r in among if level != SUB_GOAL or starts[r]]
        scores = dict(zip(among, z([found[level][r] for r in among]) if among else [], strict=True))
        wanted = [scores.get(r, 0.0) for r in row_of[kinds == level].tolist()]
        np.testing.assert_allclose(tokens[kinds == level], wanted, atol=1e-6)


# ---------------------------------------------------------------- the settings


@pytest.mark.parametrize(
    ("training", "prompting", "message"),
    [
        ({"rule": "hiper"}, {}, r"rule='hiper' needs sub-goals; set prompting\(sub_goals=True\)"),
        ({"rule": "hiper_critic"}, {"sub_goals": True}, "rule='hiper_critic' needs a critic"),
        (
            {"rule": {"name": "hiper", "turn_lambda": 1.5}},
            {"sub_goals": True},
            "rule.turn_lambda=1.5 must be at most 1",
        ),
        (
            {"rule": {"name": "hiper", "segment_lambda": -1.0}},
            {"sub_goals": True},
            "rule.segment_lambda=-1.0 must be at least 0",
        ),
        (
            {"rule": "hiper"},
            {"sub_goals": True, "template": "default"},
            "template='default' does not show the sub_goal that the agent may keep",
        ),
        ({}, {"template": "sub_goals"}, "template='sub_goals' shows a sub_goal; set prompting"),
        (
            {"penalties": {"sub_goal": 0.3}},
            {},
            "penalties.sub_goal=0.3 has no effect with sub_goals=False; set 0",
        ),
        ({"penalties": {"sub_goal": -0.3}}, {}, "penalties.sub_goal=-0.3 must be at least 0"),
        (
            {"rule": "hiper"},
            {"sub_goals": True, "action_tag": None},
            "sub_goals=True needs an action_tag and a think_tag other than",
        ),
        (
            {"rule": "hiper"},
            {"sub_goals": True, "think_tag": "switch"},
            "but they are 'action' and 'switch'; set action_tag='action'",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(training, prompting, message):
    with pytest.raises(ConfigError, match=message):
        _ = GiGPOConfig().training(**training).prompting(**prompting).settings


def test_a_parser_of_your_own_excludes_sub_goals():
    class Own:
        def parse(self, response, admissible_actions): ...

    config = GiGPOConfig().prompting(sub_goals=True, action_parser=Own())
    with pytest.raises(ConfigError, match="sub_goals has no effect with your own action_parser"):
        _ = config.settings

"""Forks in the credit pipeline: repeated steps count in returns, and nowhere else."""

import numpy as np
import pytest
from support.episodes import episode_of, role_episode, step_record

from rllib_gigpo import columns
from rllib_gigpo.batch.own_rows import OwnRows
from rllib_gigpo.connectors.credit.assemble_token_rows import AssembleTokenRows
from rllib_gigpo.connectors.credit.compute_advantages import ComputeAdvantages
from rllib_gigpo.connectors.credit.compute_returns import ComputeReturns
from rllib_gigpo.connectors.credit.group_anchors import GroupAnchors
from rllib_gigpo.connectors.credit.read_steps import ReadSteps
from rllib_gigpo.connectors.credit.shaping.penalize_divergence import PenalizeDivergence
from rllib_gigpo.connectors.credit.split_roles import SplitRoles
from rllib_gigpo.credit.advantages import AdvantageScaling
from rllib_gigpo.credit.anchors import ExactAnchors
from rllib_gigpo.credit.rules import RULES, make_rule
from rllib_gigpo.reports.transcripts import transcript_lines


def episode(member, anchors, rewards, *, num_repeated=0, fork=None, tokens=2):
    """Make an episode of group 0 whose steps have these anchors and rewards."""
    records = [
        step_record(
            anchor=anchor,
            reward=reward,
            num_tokens=tokens + member,
            is_replayed=step < num_repeated,
            action_text=f"{anchor}{member if step >= num_repeated else 0}",
        )
        for step, (anchor, reward) in enumerate(zip(anchors, rewards, strict=True))
    ]
    made = episode_of(records)
    made.custom_data.update({columns.MEMBER: member, columns.TASK: 7, columns.TREE: member})
    if fork is not None:
        made.custom_data.update({columns.FORK: (fork, num_repeated), columns.TREE: fork})
    return made


def forked_group():
    """Make two episodes from the reset, and one that forks off the first at its state "c"."""
    return [
        episode(0, "abcd", [0, 1, 0, 0]),
        episode(1, "ae", [0, 0]),
        episode(2, "abcx", [0, 1, 0, 4], num_repeated=2, fork=0),
    ]


def rule_of(rule, gamma, options):
    return make_rule(rule, **options, **({"gamma": gamma} if rule == "ppo" else {}))


def credited(episodes, rule="gigpo", scaling=None, gamma=0.5, columns_before=None, **options):
    batch = dict(columns_before or {})
    for piece in (
        ReadSteps(),
        ComputeReturns(gamma=gamma, penalize_rows=False),
        GroupAnchors(ExactAnchors()),
        ComputeAdvantages(rule_of(rule, gamma, options), AdvantageScaling(**(scaling or {}))),
        AssembleTokenRows(num_minibatches=1, seed=0),
    ):
        batch = piece(batch=batch, episodes=episodes, shared_data={"policy_version": 0})
    return batch | {"episodes": episodes}


def test_a_fork_gives_the_state_that_it_left_a_peer():
    batch = credited(forked_group())
    # Returns 1, 0, 5: the reward of the repeated step is part of the fork's.
    assert batch[columns.EPISODE_RETURNS].tolist() == [1] * 4 + [0] * 2 + [5] * 4
    episode_level = np.repeat([-1.0, -2.0, 3.0], [4, 2, 4])
    episode_level[6:8] = 0.0  # repeated rows get nothing
    np.testing.assert_allclose(batch[columns.EPISODE_ADVANTAGES], episode_level)
    # From "c": 0 and then 0, or 0 and then 4, discounted by 1/2. "a" has two rows of its own.
    step_level = [0.25, 0, -1, 0, -0.25, 0, 0, 0, 1, 0]
    np.testing.assert_allclose(batch[columns.STEP_ADVANTAGES], step_level)


def test_repeated_rows_do_not_reach_the_learner():
    batch = credited(forked_group())
    rows = batch[columns.TOKEN_ROWS]
    assert rows.response_lengths.tolist() == [2] * 4 + [3] * 2 + [4] * 2
    own = OwnRows.of(batch)
    np.testing.assert_allclose(rows.advantages, own.tokens(batch[columns.ADVANTAGES]))
    assert not batch[columns.ADVANTAGES][-16:-8].any()  # of the two repeated rows
    assert len(batch[columns.ADVANTAGES]) == 2 * 4 + 3 * 2 + 4 * 4


def test_whitening_is_over_the_tokens_of_own_rows():
    rows = credited(forked_group(), scaling={"whiten": True})[columns.TOKEN_ROWS]
    assert rows.advantages.mean() == pytest.approx(0, abs=1e-6)
    assert rows.advantages.std() == pytest.approx(1, abs=1e-5)


def test_the_metrics_of_anchors_leave_repeated_rows_out():
    metrics = credited(forked_group())[columns.CREDIT_METRICS]
    assert metrics["num_anchor_groups"] == 6  # a, b, c, d, e, x
    assert metrics["recurring_row_share"] == 4 / 8  # both rows of a, both of c
    assert metrics["anchor_group_size_histogram"] == {"1": 4.0, "2": 2.0}


def test_a_critic_values_own_rows_and_the_learner_gets_their_targets():
    values = np.array([0.5, 0, 1, 2, 0, 1, 9, 9, 1, 3], dtype=np.float64)  # 9: repeated rows
    critic = {columns.VALUES: values, columns.BOOTSTRAP_VALUES: np.zeros(10)}
    options = {"gamma": 1.0, "gae_lambda": 1.0}
    batch = credited(forked_group(), "ppo", columns_before=critic, **options)
    rows = batch[columns.TOKEN_ROWS]
    # With gamma = lambda = 1 a target is what is still earned: 1, 1, 0, 0; 0, 0; 4, 4.
    assert rows.value_targets.tolist() == [1, 1, 0, 0, 0, 0, 4, 4]
    assert rows.old_values.tolist() == [0.5, 0, 1, 2, 0, 1, 1, 3]
    assert not batch[columns.STEP_ADVANTAGES][6:8].any()


def test_roles_of_a_fork_are_compared_in_the_steps_that_they_chose():
    repeated = {"is_replayed": True}
    episodes = [
        role_episode([("guide", 0.0), ("walker", 1.0), ("guide", 0.0), ("walker", 0.0)]),
        role_episode([("guide", 0.0), ("walker", 0.0)]),
        role_episode(
            [("guide", 0.0, repeated), ("walker", 1.0, repeated), ("guide", 0.0), ("walker", 5.0)]
        ),
    ]
    for made, tree in zip(episodes, (0, 1, 0), strict=True):
        made.custom_data[columns.TREE] = tree
    episodes[2].custom_data[columns.FORK] = (0, 2)
    batch = {}
    for piece in (
        ReadSteps(),
        SplitRoles(),
        ComputeReturns(gamma=1.0, penalize_rows=False),
        GroupAnchors(ExactAnchors()),
        ComputeAdvantages(make_rule("grpo", normalize_by_std=False), AdvantageScaling()),
    ):
        batch = piece(batch=batch, episodes=episodes)
    # Both roles are paid as a team; the fork's walker earned 1 before it left, and 5 after.
    assert batch[columns.EPISODE_RETURNS].tolist() == [1] * 4 + [0] * 2 + [6] * 4
    expected = [-4 / 3] * 4 + [-7 / 3] * 2 + [0, 0, 11 / 3, 11 / 3]
    np.testing.assert_allclose(batch[columns.EPISODE_ADVANTAGES], expected)
    assert len(set(batch[columns.TREE_IDS].tolist())) == 4  # two trees of each role


def test_a_divergence_of_repeated_rows_counts_in_the_forks_return():
    episodes = forked_group()
    penalties = np.zeros(10)
    penalties[6] = 0.25
    batch = {columns.KL_PENALTIES: penalties}
    for piece in (ReadSteps(), PenalizeDivergence()):
        batch = piece(batch=batch, episodes=episodes)
    batch = ComputeReturns(gamma=1.0, penalize_rows=False)(batch=batch)
    assert batch[columns.EPISODE_RETURNS].tolist() == [1] * 4 + [0] * 2 + [4.75] * 4


NOT_WITH_FORKS = {"istar", "hiper", "hiper_critic"}  # group_plan refuses what they need
WITH_VALUES = {"ppo"}


@pytest.mark.parametrize("rule", sorted(RULES.known.keys() - NOT_WITH_FORKS - WITH_VALUES))
def test_every_rule_sees_own_rows_only(rule):
    """Whatever stands in the repeated rows, apart from the return, changes nothing."""

    def others(anchors, rewards):
        changed = episode(2, anchors, rewards, num_repeated=2, fork=0)
        return credited([*forked_group()[:2], changed], rule)

    one, other = others("abcx", [0, 1, 0, 4]), others("zycx", [1, 0, 0, 4])
    own = OwnRows.of(one)
    np.testing.assert_allclose(
        own.tokens(one[columns.ADVANTAGES]), own.tokens(other[columns.ADVANTAGES])
    )
    assert np.isfinite(one[columns.ADVANTAGES]).all()


def test_values_by_steps_to_the_end_do_not_depend_on_where_a_fork_begins():
    """G2PO counts the steps that are left: T - t, however many of them are repeated."""
    late = credited(forked_group(), "g2po", gamma=0.95)
    whole = [*forked_group()[:2], episode(2, "cx", [0, 5])]
    early = credited(whole, "g2po", gamma=0.95)
    np.testing.assert_allclose(
        OwnRows.of(late).rows(late[columns.STEP_ADVANTAGES]),
        early[columns.STEP_ADVANTAGES],
        rtol=1e-12,
    )


def test_tree_grpo_reads_who_forked_off_whom():
    batch = credited(forked_group(), "tree_grpo", normalize_by_std=False)
    # Tree of the first: returns 1 and 5, mean 3; the second is a tree of one.
    expected = np.repeat([-1.0 - 2.0, -2.0, 3.0 + 2.0], [4, 2, 4])
    expected[6:8] = 0.0
    np.testing.assert_allclose(batch[columns.EPISODE_ADVANTAGES], expected)


def test_without_forks_there_is_no_column_of_repeated_rows():
    batch = credited(forked_group()[:2])
    assert columns.IS_REPLAYED not in batch
    assert batch[columns.TREE_IDS].tolist() == [0] * 4 + [1] * 2


def test_transcripts_tell_forks_and_what_they_repeated():
    lines = list(transcript_lines(credited(forked_group()), num_groups="all"))
    assert [line.get("forked_from") for line in lines] == [None] * 6 + [0] * 4
    assert [line.get("forked_at") for line in lines] == [None] * 6 + [2] * 4
    assert [line.get("is_replayed") for line in lines] == [None] * 6 + [True, True, False, False]
    assert [line["advantages"] for line in lines[6:8]] == [0.0, 0.0]
    sizes = {line["anchor"]: line["anchor_group_size"] for line in lines}
    assert sizes == {"a": 2, "b": 1, "c": 2, "d": 1, "e": 1, "x": 1}

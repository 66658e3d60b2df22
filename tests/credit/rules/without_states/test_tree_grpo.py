"""Tree-GRPO: a table by hand, an independent slow version, and what is left without trees."""

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_rows import random_rows
from support.rows import Row, columns_of

from rllib_gigpo import columns
from rllib_gigpo.credit.rules import GRPORule, make_rule

# Two trees of one task: returns 1, 0, 0 and 1, 1; and an episode alone in another task.
ROWS = [
    Row(group=0, trajectory=0, step=0, reward=1, anchor="a", tree=0),
    Row(group=0, trajectory=1, step=0, reward=0, anchor="b", tree=0),
    Row(group=0, trajectory=2, step=0, reward=0, anchor="c", tree=0),
    Row(group=0, trajectory=3, step=0, reward=1, anchor="d", tree=3),
    Row(group=0, trajectory=4, step=0, reward=0, anchor="e", tree=3),
    Row(group=0, trajectory=4, step=1, reward=1, anchor="f", tree=3),
    Row(group=1, trajectory=5, step=0, reward=1, anchor="g", tree=5),
]


def total(levels, *, rows=ROWS, **options):
    return make_rule("tree_grpo", levels=levels, **options)(columns_of(rows)).total


def test_the_sum_by_hand():
    # Task: mean 3/5. Tree 0: mean 1/3. Tree 3: both 1, so 0.
    expected = [2 / 5 + 2 / 3, -3 / 5 - 1 / 3, -3 / 5 - 1 / 3, 2 / 5, 2 / 5, 2 / 5, 0]
    np.testing.assert_allclose(total("sum", normalize_by_std=False), expected, atol=1e-12)


def test_the_standard_deviations_by_hand():
    task, tree = (0.3 + 0) ** 0.5, (1 / 3) ** 0.5  # unbiased: 1.2 / 4, and (2/3) / 2
    expected = [0.4 / task + (2 / 3) / tree, -0.6 / task - (1 / 3) / tree]
    np.testing.assert_allclose(total("sum")[:2], expected, rtol=1e-5)


def test_the_nested_form_by_hand():
    # z within the task first; within tree 0 its differences are those of the returns.
    np.testing.assert_allclose(
        total("nested", normalize_by_std=False), [2 / 3, -1 / 3, -1 / 3, 0, 0, 0, 0], atol=1e-12
    )
    std = (1 / 3) ** 0.5
    np.testing.assert_allclose(total("nested")[:2], [2 / 3 / std, -1 / 3 / std], rtol=1e-4)


def with_trees(rows):
    """Put every two neighbouring trajectories of a task into one tree."""
    for row in rows:
        row.tree = row.group * 1000 + row.trajectory // 2
    return rows


def slow(rows, levels):
    """Compare the episodes with plain Python."""
    returns, group, tree = {}, {}, {}
    for row in rows:
        returns[row.trajectory] = returns.get(row.trajectory, 0.0) + row.reward
        group[row.trajectory], tree[row.trajectory] = row.group, row.tree

    def z(values, label):
        scores = {}
        for one in values:
            peers = [values[other] for other in values if label[other] == label[one]]
            if len(set(peers)) == 1:
                scores[one] = 0.0
                continue
            centred = values[one] - statistics.fmean(peers)
            scores[one] = centred / (statistics.stdev(peers) + 1e-6)
        return scores

    between = z(returns, group)
    within = z(returns if levels == "sum" else between, tree)
    return np.array(
        [
            (between[row.trajectory] if levels == "sum" else 0.0)
            + within[row.trajectory]
            - row.penalty
            for row in rows
        ]
    )


@pytest.mark.parametrize("levels", ["sum", "nested"])
@given(rows=random_rows(), penalty_mode=st.just("row"))
def test_it_agrees_with_plain_python(levels, rows, penalty_mode):
    rows = with_trees(rows)
    batch = columns_of(rows, penalty_mode=penalty_mode)
    found = make_rule("tree_grpo", levels=levels)(batch).total
    np.testing.assert_allclose(found, slow(rows, levels), rtol=1e-9, atol=1e-9)


@given(rows=random_rows(), penalty_mode=st.just("row"))
def test_without_forks_the_sum_is_grpo_and_the_nested_form_is_nothing(rows, penalty_mode):
    for row in rows:
        row.tree = None
    batch = columns_of(rows, penalty_mode=penalty_mode)
    assert np.array_equal(make_rule("tree_grpo")(batch).total, GRPORule()(batch).total)
    nested = make_rule("tree_grpo", levels="nested")(batch).total
    assert np.array_equal(nested, -batch[columns.ROW_PENALTIES])

"""GraphGPO: a table by hand, a slow version, and what is left where states do not recur."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_rows import following, made_unique, random_rows, task_of
from support.rows import Row, columns_of, worked_example

from rllib_gigpo import GiGPOConfig, columns
from rllib_gigpo.credit.rules import GraphGPORule, GRPORule
from rllib_gigpo.credit.rules.state_values.graphgpo_rule import distances_after
from rllib_gigpo.credit.rules.state_values.visited_graph import VisitedGraph
from rllib_gigpo.errors import ConfigError


def maze():
    """Two winners, by a short and a long way, and a loser that stood at a dead end."""
    return [
        Row(0, 0, 0, 0.0, "start", won=True),
        Row(0, 0, 1, 10.0, "door", won=True),
        Row(0, 1, 0, 0.0, "start", won=True),
        Row(0, 1, 1, 0.0, "hall", won=True),
        Row(0, 1, 2, 10.0, "door", won=True),
        Row(0, 2, 0, 0.0, "start"),
        Row(0, 2, 1, 0.0, "cellar"),
        Row(0, 2, 2, 0.0, "cellar"),
    ]


def distances(rows):
    batch = columns_of(rows)
    return distances_after(VisitedGraph.of(batch), batch[columns.GROUP_IDS]).tolist()


def test_distances_are_those_of_the_shortest_way_that_anybody_took():
    # door 1, start 2, hall 2; the cellar leads nowhere: 2 + 1.
    assert distances(maze()) == [1, 0, 2, 1, 0, 3, 3, 3]


def test_steps_to_distances_0_1_and_2_are_worth_10_1_and_a_tenth():
    rule = GraphGPORule(normalize_by_std=False, episode_weight=0.0)
    found = rule(columns_of(maze()))
    # From the start: 1, 0.1, 0.01 (mean 0.37); from the door 10, 10; in the cellar 0.01, 0.01.
    np.testing.assert_allclose(
        found.total, [0.63, 0, -0.27, 0, 0, -0.36, 0, 0], rtol=1e-12, atol=1e-15
    )


def test_the_episode_level_is_added_and_both_are_divided_by_the_std():
    found = GraphGPORule(step_weight=2.0)(columns_of(maze()))
    # Returns 10, 10, 0: mean 20/3, unbiased variance 100/3.
    episode = np.array([10 / 3, 10 / 3, -20 / 3]) / (math.sqrt(100 / 3) + 1e-6)
    steps = np.array([0.63, -0.27, -0.36])
    steps /= math.sqrt((0.63**2 + 0.27**2 + 0.36**2) / 2) + 1e-6
    np.testing.assert_allclose(found.total[[0, 2, 5]], episode + 2 * steps, rtol=1e-9)
    np.testing.assert_allclose(found.total[[1, 3, 7]], episode, rtol=1e-9)


def test_the_papers_exponent_is_one_more():
    rows = columns_of(maze())
    code, paper = (
        GraphGPORule(normalize_by_std=False, convention=convention)(rows).step
        for convention in ("code", "paper")
    )
    np.testing.assert_allclose(paper, 0.1 * code, rtol=1e-12)


def test_a_penalty_on_the_row_lowers_its_step_and_its_episode():
    rows = maze()
    rows[2].penalty = 0.3
    found = GraphGPORule(normalize_by_std=False)(columns_of(rows, penalty_mode="row"))
    # From the start: 1, 0.1 - 0.3, 0.01 (mean 0.27).
    np.testing.assert_allclose(found.step[[0, 2, 5]], [0.73, -0.47, -0.26], atol=1e-12)
    np.testing.assert_allclose(found.episode[2], 10 / 3 - 0.3, atol=1e-12)


def test_without_any_success_all_states_are_equally_far():
    rows = maze()
    for row in rows:
        row.won = False
    assert distances(rows) == [1] * 8
    assert not GraphGPORule()(columns_of(rows)).step.any()


def test_tasks_do_not_share_their_ways():
    rows = [*maze(), Row(1, 3, 0, 0.0, "start"), Row(1, 3, 1, 0.0, "door")]
    assert distances(rows)[-2:] == [1, 1]


def slow_distances(rows):
    """Walk backwards from success, one step at a time, for each task."""
    found = []
    for row in rows:
        edges = []
        for one in task_of(rows, row):
            then = following(rows, one)
            edges.append((one.anchor, then.anchor if then else ("won" if one.won else "lost")))
        near = {"won": 0}
        for distance in range(1, len(edges) + 1):
            for before, after in edges:
                if near.get(after) == distance - 1:
                    near.setdefault(before, distance)
        then = following(rows, row)
        target = then.anchor if then else ("won" if row.won else "lost")
        found.append(near.get(target, max(near.values()) + 1))
    return found


@given(rows=random_rows(), divide_by_std=st.booleans())
def test_graphgpo_is_the_slow_version(rows, divide_by_std):
    scores = [10.0 * 0.1**d - r.penalty for d, r in zip(slow_distances(rows), rows, strict=True)]
    expected = []
    for row, score in zip(rows, scores, strict=True):
        peers = [
            other
            for r, other in zip(rows, scores, strict=True)
            if (r.group, r.anchor) == (row.group, row.anchor)
        ]
        spread = statistics.stdev(peers) + 1e-6 if len(peers) > 1 and divide_by_std else 1.0
        expected.append((score - statistics.fmean(peers)) / spread if len(set(peers)) > 1 else 0.0)
    found = GraphGPORule(normalize_by_std=divide_by_std)(columns_of(rows, penalty_mode="row"))
    np.testing.assert_allclose(found.step, expected, rtol=1e-9, atol=1e-9)


@given(rows=random_rows(), normalize_by_std=st.booleans())
def test_without_recurring_states_it_is_the_episode_advantage_exactly(rows, normalize_by_std):
    batch = columns_of(made_unique(rows), penalty_mode="row")
    found = GraphGPORule(normalize_by_std=normalize_by_std)(batch)
    expected = GRPORule(normalize_by_std=normalize_by_std)(batch)
    assert np.array_equal(found.total, expected.total)


def test_the_graph_of_the_worked_example_has_a_circle():
    rows = worked_example()
    rows[0].won = True
    # a -> b -> a -> won; a -> c -> lost.
    assert distances(rows) == [2, 1, 0, 3, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distance_decay": 1.0}, "distance_decay=1.0 must be below 1"),
        ({"distance_decay": 0.0}, "distance_decay=0.0 must be above 0"),
        ({"success_reward": 0.0}, "success_reward=0.0 must be above 0"),
        ({"convention": "book"}, "convention='book' is not one of"),
    ],
)
def test_a_bad_option_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        _ = GiGPOConfig().training(rule={"name": "graphgpo", **options}).settings

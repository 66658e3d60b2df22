"""Paired differences by hand, and when nothing can be said."""

import numpy as np
import pytest
from scipy import stats

from rllib_gigpo.errors import PanelError
from rllib_gigpo.panels.comparison import compare
from rllib_gigpo.panels.played_task import PanelResult, PlayedTask


def result(wins, *, steps=4, digest="ab", tags=None, agent="one"):
    """A result of one seed: ``wins`` has the success of each task, by its number."""
    episodes = tuple(
        PlayedTask(
            task=task,
            decoding_seed=0,
            won=bool(won),
            episode_return=float(won),
            num_steps=steps,
            valid_rate=1.0,
            tags=(tags or {}).get(task, ()),
        )
        for task, won in wins.items()
    )
    return PanelResult(
        panel="lake", panel_version=1, panel_digest=digest, agent=agent, played=episodes
    )


def numbered(wins):
    return dict(enumerate(wins))


def test_the_difference_is_paired_by_task():
    first, second = [0, 0, 1, 1, 0, 1, 0, 0], [1, 1, 1, 1, 1, 0, 0, 1]
    found = compare([result(numbered(first))], [result(numbered(second))])
    differences = [*np.subtract(second, first), 1, -1, 0, 0]
    weights = [*np.ones(8), 0.5, 0.5, 0.5, 0.5]
    middle = np.average(differences, weights=weights)
    variance = np.average((differences - middle) ** 2, weights=weights)
    half = stats.norm.ppf(0.975) * (variance / 10) ** 0.5
    assert found.success.mean == pytest.approx(3 / 8)
    assert (found.success.low, found.success.high) == pytest.approx((middle - half, middle + half))
    assert not found.success.is_shown
    assert found.success.num_needed > 8


def test_agents_that_differ_alike_on_all_tasks_still_have_an_interval():
    all_won, all_lost = numbered([1] * 128), numbered([0] * 128)
    found = compare([result(all_lost)], [result(all_won)]).success
    assert (found.mean, found.high, found.is_shown) == (1.0, 1.0, True)
    assert 0.95 < found.low < 1.0
    same = compare([result(all_won)], [result(all_won)]).success
    assert (same.mean, same.is_shown, same.num_needed) == (0.0, False, None)
    assert same.low == pytest.approx(-same.high)
    assert 0.0 < same.high < 0.02


def test_a_large_difference_is_shown():
    first, second = [0] * 38 + [1] * 2, [1] * 30 + [0] * 10
    found = compare([result(numbered(first))], [result(numbered(second))]).success
    assert found.is_shown
    assert found.num_needed is None


def test_the_order_of_agents_only_changes_the_sign():
    sides = [result(numbered([0, 1, 1, 0, 1])), result(numbered([1, 1, 0, 1, 1]))]
    there = compare([sides[0]], [sides[1]]).success
    back = compare([sides[1]], [sides[0]]).success
    assert (back.mean, back.low, back.high) == pytest.approx((-there.mean, -there.high, -there.low))


def test_steps_are_compared_where_both_won():
    wins = numbered([1, 1, 0])
    steps = compare([result(wins, steps=6)], [result({**wins, 2: 1}, steps=4)]).steps
    assert (steps.mean, steps.num_pairs) == (-2.0, 2)
    assert compare([result({0: 0})], [result({0: 1})]).steps is None


def test_tags_are_compared_apart():
    tags = {0: ("easy",), 1: ("easy",), 2: ("hard",)}
    sides = result(numbered([0, 1, 0]), tags=tags), result(numbered([1, 1, 0]), tags=tags)
    by_tag = compare([sides[0]], [sides[1]]).by_tag
    assert {tag: (one.mean, one.num_pairs) for tag, one in by_tag.items()} == {
        "easy": (0.5, 2),
        "hard": (0.0, 1),
    }


def test_several_runs_are_averaged_by_task_and_compared_as_runs():
    first = [result(numbered(wins)) for wins in ([0, 0, 1, 0], [0, 1, 1, 0])]
    second = [result(numbered(wins)) for wins in ([1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 1])]
    found = compare(first, second)
    means = np.array([[1, 2 / 3, 1, 1 / 3], [0, 0.5, 1, 0]])
    assert found.success.mean == pytest.approx(float((means[0] - means[1]).mean()))
    expected = stats.ttest_ind([0.75, 0.5, 1.0], [0.25, 0.5], equal_var=False)
    low, high = expected.confidence_interval(0.95)
    low, high = max(low, -1.0), min(high, 1.0)
    assert (found.success_over_runs.low, found.success_over_runs.high) == pytest.approx((low, high))
    assert compare(first, second[:1]).success_over_runs is None


def test_runs_without_spread_have_no_interval():
    twins = [result(numbered([1, 0]))] * 2
    found = compare(twins, [result(numbered([1, 1]))] * 2).success_over_runs
    assert (found.mean, found.low) == (0.5, None)


def test_runs_are_compared_on_the_tasks_that_all_of_them_played():
    whole, cut = result(numbered([1, 0, 1, 0])), result({0: 1, 1: 0})
    found = compare([whole, result(numbered([1, 1, 0, 0]))], [whole, cut])
    assert found.success_over_runs.mean == pytest.approx(0.5 - 0.75)


def test_tasks_that_one_of_them_lacks_are_left_out():
    found = compare([result({0: 1, 1: 0})], [result({1: 1, 2: 1})])
    assert (found.success.mean, found.success.num_pairs, found.num_left_out) == (1.0, 1, 2)
    with pytest.raises(PanelError, match="No task was played by both"):
        compare([result({0: 1})], [result({1: 1})])


def test_results_of_different_panels_are_refused_by_name():
    with pytest.raises(PanelError, match=r"different panels.*one played lake v1 \(ab\); two"):
        compare([result({0: 1})], [result({0: 1}, digest="cd", agent="two")])

"""The numbers of a result, by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from rllib_gigpo.cli.panels.result_table import table
from rllib_gigpo.panels.played_task import PanelResult, PlayedTask
from rllib_gigpo.panels.summary import student_interval, summarize, task_means
from rllib_gigpo.sampling.rollout_metrics import wilson_interval


def played(task, decoding_seed, won, *, num_steps=4, tags=()):
    return PlayedTask(
        task=task,
        decoding_seed=decoding_seed,
        won=won,
        episode_return=float(won),
        num_steps=num_steps,
        valid_rate=1.0,
        tags=tags,
    )


def four_tasks():
    """Tasks with 2, 1, 0 and 1 successes of two seeds; seed 0 wins 3 and seed 1 wins 1."""
    wins = {0: (True, True), 1: (True, False), 2: (False, False), 3: (True, False)}
    return [played(task, seed, won) for task, pair in wins.items() for seed, won in enumerate(pair)]


def test_avg_and_pass_at_k():
    numbers = summarize(four_tasks())
    assert numbers["success_rate"] == numbers["avg_at_2"] == 0.5
    assert numbers["pass_at_2"] == 0.75
    assert (numbers["num_tasks"], numbers["num_episodes"], numbers["num_decoding_seeds"]) == (
        4,
        8,
        2,
    )
    expected = wilson_interval(3, 4)
    assert (numbers["pass_at_2_low"], numbers["pass_at_2_high"]) == expected


def test_the_interval_over_tasks_has_the_effective_number_of_episodes():
    numbers = summarize(four_tasks())
    # Means 1, 0.5, 0, 0.5: variance 1/8, so that of their mean is 1/32, and 0.25 / (1/32) = 8.
    expected = wilson_interval(4, 8)
    assert (numbers["success_ci_low"], numbers["success_ci_high"]) == pytest.approx(expected)


def test_seeds_that_agree_add_nothing():
    once = [played(task, 0, task < 3) for task in range(10)]
    often = once + [played(task, seed, task < 3) for task in range(10) for seed in (1, 2)]
    names = ("success_rate", "success_ci_low", "success_ci_high")
    assert [summarize(often)[n] for n in names] == pytest.approx(
        [summarize(once)[n] for n in names]
    )
    assert summarize(once)["success_ci_low"] == pytest.approx(wilson_interval(3, 10)[0])


def test_tasks_that_are_all_won_count_once_each():
    numbers = summarize([played(task, seed, True) for task in range(5) for seed in range(4)])
    assert (numbers["success_ci_low"], numbers["success_ci_high"]) == wilson_interval(5, 5)


def test_the_interval_over_seeds_is_students():
    numbers = summarize(four_tasks())
    # Of 0.75 and 0.25, it is wider than all possible rates.
    assert (numbers["success_over_seeds_low"], numbers["success_over_seeds_high"]) == (0.0, 1.0)
    even = [played(task, seed, task < 50 + seed) for task in range(100) for seed in range(3)]
    half = stats.t.ppf(0.975, 2) * np.std([0.5, 0.51, 0.52], ddof=1) / math.sqrt(3)
    assert summarize(even)["success_over_seeds_high"] == pytest.approx(0.51 + half)


def test_plays_that_repeat_each_other_make_no_number_more_certain():
    steps = [9, 3, 20, 11, 7, 34]
    once = [played(task, 0, True, num_steps=length) for task, length in enumerate(steps)]
    often = [
        played(task, seed, True, num_steps=length)
        for task, length in enumerate(steps)
        for seed in range(8)
    ]
    for name in ("steps_of_successes_low", "steps_of_successes_high", "success_ci_low"):
        assert summarize(often)[name] == pytest.approx(summarize(once)[name])


def test_equal_rates_that_rounding_tells_apart_are_equal():
    thirds = [played(task, seed, seed == task % 3) for task in range(20) for seed in range(3)]
    assert summarize(thirds)["success_ci_low"] == pytest.approx(wilson_interval(20 / 3, 20)[0])


def test_one_seed_has_neither_pass_at_k_nor_an_interval_over_seeds():
    numbers = summarize([played(0, 3, True), played(1, 3, False)])
    assert not [name for name in numbers if "_at_" in name or "seeds" in name]


def test_steps_are_those_of_successes():
    episodes = [played(0, 0, True, num_steps=3), played(1, 0, True, num_steps=5)]
    numbers = summarize([*episodes, played(2, 0, False, num_steps=50)])
    assert numbers["steps_of_successes"] == 4.0
    assert numbers["steps_of_successes_low"] < 4.0 < numbers["steps_of_successes_high"]
    assert "steps_of_successes" not in summarize([played(2, 0, False)])


def test_prompts_that_were_cut_are_counted():
    whole, cut = played(0, 0, True), played(1, 0, True)
    episodes = (whole, cut.model_copy(update={"cut_rate": 0.5}))
    numbers = summarize(episodes)
    assert numbers["prompt_cut_rate"] == 0.25
    facts = {"panel": "lake", "panel_version": 1, "panel_digest": "ab", "agent": "a"}
    result = PanelResult(**facts, played=episodes, summary=numbers)
    assert "cut      25.0% of the prompts: too long" in table(result)


def test_each_tag_has_its_own_numbers():
    episodes = [played(0, 0, True, tags=("easy", "all")), played(1, 0, False, tags=("all",))]
    tags = summarize(episodes)["tags"]
    assert {tag: one["success_rate"] for tag, one in tags.items()} == {"all": 0.5, "easy": 1.0}
    assert "tags" not in tags["all"]


def test_a_task_that_lacks_a_seed_still_counts_as_one_task():
    episodes = [played(0, 0, True), played(0, 1, True), played(1, 0, False)]
    assert task_means(episodes) == {0: 1.0, 1: 0.0}
    assert summarize(episodes)["success_rate"] == 0.5
    assert summarize(episodes)["pass_at_2"] == 1.0  # of the task with both seeds


def test_one_value_has_no_interval():
    assert student_interval([0.5]) is None
    assert summarize([])["success_ci_high"] == 1.0

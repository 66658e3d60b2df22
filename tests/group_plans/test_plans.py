"""Group plans: how many episodes fork, and where."""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from rllib_gigpo.config.gigpo_config import BaseGiGPOConfig
from rllib_gigpo.credit.rules import make_rule
from rllib_gigpo.group_plans import GROUP_PLANS
from rllib_gigpo.group_plans.forking_plan import ForkingPlan
from rllib_gigpo.group_plans.group_plan import ChosenStep, Fork
from rllib_gigpo.group_plans.plan_checks import forks


def steps_of(*episodes, tree=None):
    """Make the steps of episodes, each given by its anchors, and an entropy where a pair is."""
    return [
        ChosenStep(member, number, (tree or {}).get(member, member), *values)
        for member, episode in enumerate(episodes)
        for number, values in enumerate(
            anchor if isinstance(anchor, tuple) else (anchor,) for anchor in episode
        )
    ]


def chosen(name, steps, group_size=8, seed=0, **options):
    plan = GROUP_PLANS.build({"name": name, **options})
    return plan.next_forks(steps, group_size, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("share", "group_size", "starts"),
    [(0.5, 8, 4), (0.25, 8, 6), (0.1, 8, 8), (0.9, 8, 1), (0.29, 100, 71), (0.58, 50, 21)],
)
def test_the_share_of_forks_is_rounded_down(share, group_size, starts):
    plan = GROUP_PLANS.build({"name": "random", "forked_share": share})
    assert plan.num_starts(group_size) == starts


def test_without_forks_all_episodes_start_at_the_reset():
    plan = GROUP_PLANS.build("from_reset")
    assert plan.num_starts(8) == 8
    assert plan.next_forks(steps_of("ab"), 8, np.random.default_rng(0)) == []


def test_lone_states_come_first_and_each_state_once():
    # b is visited twice, c, d and e once; a is where all start.
    steps = steps_of("abc", "abd", "ae", "a")
    for seed in range(20):
        found = chosen("lone_states", steps, seed=seed)
        assert set(found[:3]) == {Fork(0, 2), Fork(1, 2), Fork(2, 1)}
        assert found[3] in (Fork(0, 1), Fork(1, 1))
        assert len(found) == 4


def test_the_least_visited_states_are_next_and_ties_are_random():
    steps = steps_of("abbb", "acc", "adc", "abd")
    firsts = Counter(chosen("lone_states", steps, seed=seed)[0] for seed in range(200))
    # d is visited twice, c three times, b four times.
    assert set(firsts) == {Fork(2, 1), Fork(3, 2)}
    assert min(firsts.values()) > 60


def test_the_highest_entropies_are_chosen_once_a_state():
    steps = steps_of([("a", 9.0), ("b", 0.5), ("c", 2.0)], [("a", 9.0), ("c", 3.0), ("d", 1.0)])
    assert chosen("entropy", steps, 4) == [Fork(1, 1), Fork(1, 2)]


def test_random_forks_go_to_the_trees_in_turn():
    steps = steps_of("abc", "axy", "auv", tree={2: 0})
    found = Counter(fork for s in range(300) for fork in chosen("random", steps, 6, seed=s))
    by_tree = Counter()
    for fork, number in found.items():
        by_tree[{0: 0, 1: 1, 2: 0}[fork.member]] += number
    # Three forks a group: tree 1, which is smaller, gets the first and the third.
    assert by_tree == {0: 300, 1: 600}
    assert set(found) == {Fork(m, s) for m in range(3) for s in (1, 2)}


@pytest.mark.parametrize("name", ["lone_states", "entropy", "random"])
def test_the_first_step_is_nowhere_to_fork(name):
    assert chosen(name, steps_of([("a", 1.0)], [("b", 2.0)])) == []


def test_later_rounds_begin_with_the_smallest_trees():
    episodes = ["abc", "ade", "afg", "ahi"]
    first = chosen("random", steps_of(*episodes), rounds=2)
    assert [fork.member for fork in first] == [0, 1]
    played = steps_of(*episodes, "abx", "ady", tree={4: 0, 5: 1})
    second = chosen("random", played, rounds=2)
    assert [fork.member for fork in second] == [2, 3]


def test_rounds_split_the_forks():
    steps = steps_of("abcdefghi", "ajklmnopq", "arstuvwx", "ayz")
    assert len(chosen("random", steps, 8, rounds=2)) == 2
    later = [*steps, ChosenStep(4, 3, 0, "new"), ChosenStep(5, 3, 1, "newer")]
    assert len(chosen("random", later, 8, rounds=2)) == 2
    assert len(chosen("random", steps, 8, rounds=3)) == 2  # 2, 2, then none is left


@pytest.mark.parametrize("name", ["lone_states", "entropy", "random"])
def test_the_seed_determines_the_forks(name):
    steps = steps_of(*([(f"{m}{n}", 1.0) for n in range(9)] for m in range(4)))
    assert chosen(name, steps, seed=3) == chosen(name, steps, seed=3)
    assert len({tuple(chosen(name, steps, seed=seed)) for seed in range(9)}) > 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"forked_share": 1.0}, "forked_share=1.0 must be below 1"),
        ({"forked_share": 0.0}, "forked_share=0.0 must be above 0"),
        ({"rounds": 0}, "rounds=0 must be at least 1"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GROUP_PLANS.build({"name": "random", **options})


@dataclass(frozen=True, slots=True, kw_only=True)
class LastStepForks(ForkingPlan):
    """A plan of a user: forks at the latest steps."""

    name: ClassVar[str] = "last_steps"

    def choose(self, candidates, steps, number, rng):
        return sorted(candidates, key=lambda step: -step.step)[:number]


def test_a_plan_of_ones_own_is_given_by_its_class():
    config = BaseGiGPOConfig().training(group_plan={"name": LastStepForks, "forked_share": 0.25})
    config.environment("rllib_gigpo.envs:Corridor-v0").llm(model_path=".")
    plan = GROUP_PLANS.build(config.group_plan)
    assert plan == LastStepForks(forked_share=0.25)
    assert plan.next_forks(steps_of("abc", "ad"), 8, np.random.default_rng(0)) == [
        Fork(0, 2),
        Fork(0, 1),
    ]


def test_settings_that_forks_exclude_are_told():
    plan, rule = GROUP_PLANS.build("random"), make_rule("gigpo")
    from_reset = GROUP_PLANS.build("from_reset")
    assert list(forks(from_reset, 1, rule, object(), True)) == []
    assert list(forks(plan, 8, rule, None, False)) == []
    one, two, three = forks(plan, 1, rule, object(), True)
    assert "forks no episode of a group of 1" in one
    assert "process_reward" in two
    assert "sub_goals" in three
    (alone,) = forks(from_reset, 8, make_rule("tree_grpo"), None, False)
    assert "set group_plan='random', or rule='grpo'" in alone


def test_a_plan_that_starts_too_many_or_too_few_is_told():
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Odd(LastStepForks):
        starts: int = 0

        def num_starts(self, group_size):
            return self.starts

    for starts in (0, 9):
        (found,) = forks(Odd(starts=starts), 8, make_rule("gigpo"), None, False)
        assert f"starts {starts} of 8 episodes" in found

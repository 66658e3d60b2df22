"""The turns of several agents in one episode, by hand and against a slow version."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.episodes import episode_of, role_episode, step_record

from rllib_gigpo.batch.role_turns import acting_roles, own_turns, turns_by_role

TEAM = [("a", 1.0), ("b", 2.0), ("b", 4.0), ("a", 8.0), ("b", 16.0)]


def parts(episode):
    return {one.role: (one.turns.tolist(), one.rewards.tolist()) for one in turns_by_role(episode)}


def test_a_turn_earns_what_is_paid_up_to_the_next_turn_of_the_role():
    assert parts(role_episode(TEAM)) == {
        "a": ([0, 3], [7.0, 24.0]),
        "b": ([1, 2, 4], [2.0, 12.0, 16.0]),  # the 1 before its first turn is lost to it
    }


def test_role_rewards_replace_the_reward_of_the_step_for_those_they_name():
    turns = [("a", 1.0, {"role_rewards": {"b": 5.0}}), ("b", 2.0, {"role_rewards": {"a": -3.0}})]
    turns += [("a", 4.0, {"role_rewards": {"a": 0.0, "b": 9.0}})]
    assert parts(role_episode(turns)) == {"a": ([0, 2], [-2.0, 0.0]), "b": ([1], [11.0])}


def test_an_episode_without_roles_is_one_agents():
    (part,) = turns_by_role(episode_of([step_record(reward=one) for one in (1.0, 2.0)]))
    assert (part.role, part.turns.tolist(), part.rewards.tolist()) == ("", [0, 1], [1.0, 2.0])


def test_totals_are_exact_sums():
    (part,) = turns_by_role(role_episode([("a", 0.1)] * 10))
    assert part.total == 1.0
    assert sum([0.1] * 10) != 1.0


def test_the_turns_of_the_role_that_acts_next_are_its_own():
    episode = role_episode(TEAM, last_info={"role": "a"})
    assert own_turns(episode) == [0, 3]
    assert acting_roles(episode) == ["a", "b", "b", "a", "b"]
    assert list(own_turns(episode_of([step_record()] * 3))) == [0, 1, 2]


def slowly(turns):
    """Walk through the steps and hand each payment to the role's latest turn."""
    found = {}
    for step, (role, _, _) in enumerate(turns):
        found.setdefault(role, {})[step] = 0.0
        reward, given = turns[step][1], turns[step][2].get("role_rewards", {})
        for other, earned in found.items():
            earned[max(earned)] += given.get(other, reward)
    return found


names = st.sampled_from(["a", "b", "c"])
numbers = st.floats(-100, 100)
steps = st.tuples(
    names, numbers, st.fixed_dictionaries({"role_rewards": st.dictionaries(names, numbers)})
)


@given(st.lists(steps, min_size=1, max_size=12))
def test_random_episodes_agree_with_the_slow_version(turns):
    expected = slowly(turns)
    found = turns_by_role(role_episode(turns))
    assert [one.role for one in found] == list(expected)
    for part in found:
        assert part.turns.tolist() == list(expected[part.role])
        np.testing.assert_allclose(part.rewards, list(expected[part.role].values()), atol=1e-9)
        assert part.total == pytest.approx(part.rewards.sum(), abs=1e-9)

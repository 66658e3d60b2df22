"""Several environments as one: shares, seeds, tags."""

from collections import Counter

import gymnasium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.mixture import MixtureEnv, interleave

SHORT = {"env": "rllib_gigpo.envs:Corridor-v0", "env_config": {"length": 3}, "tags": ["short"]}
LONG = {"env": "rllib_gigpo.envs:Corridor-v0", "env_config": {"length": 9}}
MIXTURE = "rllib_gigpo.envs:Mixture-v0"


@pytest.fixture
def mixture():
    env = MixtureEnv([{**SHORT, "share": 2}, LONG])
    yield env
    env.close()


def test_a_round_spreads_each_part_evenly():
    assert interleave([1, 1]) == [0, 1]
    assert interleave([2, 1]) == [0, 1, 0]
    assert interleave([3, 1]) == [0, 0, 1, 0]


def test_seeds_go_round_and_are_different_tasks_of_their_part(mixture):
    assert [mixture.locate(seed) for seed in range(6)] == [
        (0, 0),
        (1, 0),
        (0, 1),
        (0, 2),
        (1, 1),
        (0, 3),
    ]


@settings(deadline=None, derandomize=True, database=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 10**6))
def test_consecutive_seeds_have_the_shares_and_never_repeat_a_task(shares, start):
    env = MixtureEnv([{**SHORT, "share": share} for share in shares])
    laps = 3
    located = [env.locate(seed) for seed in range(start, start + laps * sum(shares))]
    assert len(set(located)) == len(located)
    counts = Counter(part for part, _ in located)
    assert [counts[part] for part in range(len(shares))] == [laps * share for share in shares]


def test_a_task_is_the_parts_own(mixture):
    observation, info = mixture.reset(seed=4)  # task 1 of the long corridor
    plain, plain_info = gymnasium.make(LONG["env"], **LONG["env_config"]).reset(seed=1)
    assert observation == plain
    assert info["task"] == plain_info["task"]
    assert info["tags"] == [LONG["env"], "corridor"]
    assert mixture.reset(seed=3)[1]["tags"] == ["short", "corridor"]
    assert mixture.step("go left")[4]["tags"] == ["short", "corridor"]


def test_it_keeps_the_contract():
    report = check_env(MIXTURE, env_config={"parts": [{**SHORT, "share": 2}, LONG]})
    assert report.is_ok, str(report)
    assert report.expert_wins == 1.0


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "needs parts="),
        (SHORT, "needs parts="),
        ([{"env_config": {}}], "a dict with 'env'"),
        ([{**SHORT, "weight": 2}], "maybe env_config, share, tags"),
        ([{**SHORT, "share": 0}], "whole number of at least 1, got 0"),
        ([{**SHORT, "share": 0.5}], "whole number of at least 1, got 0.5"),
    ],
)
def test_a_bad_part_is_an_error(parts, message):
    with pytest.raises(ValueError, match=message):
        MixtureEnv(parts)

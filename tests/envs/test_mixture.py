"""Several environments combined in one: shares, seeds, tags."""

from collections import Counter

import gymnasium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.contract import FIRST_TEST_SEED, RUNS_IN_THREADS
from rllib_gigpo.envs.corridor import CorridorEnv
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
        ([{**SHORT, "weight": 2}], "optionally env_config, share, tags"),
        ([{**SHORT, "share": 0}], "whole number of at least 1; got 0"),
        ([{**SHORT, "share": 0.5}], "whole number of at least 1; got 0.5"),
        ([{**SHORT, "tags": "grid"}], "must be a list of strings; got 'grid'"),
        ([{**SHORT, "tags": ["grid", 3]}], "must be a list of strings"),
        ([{**SHORT, "tags": None}], "must be a list of strings"),
        ([{**SHORT, "env_config": [1]}], "a dict as env_config"),
        ([{"env": 5}], "needs an id"),
        ([SHORT, {"env": "rllib_gigpo.envs:Nowhere-v0"}], r"Nowhere-v0' of the mixture cannot be"),
        ([SHORT, {"env": "no_such_module_anywhere:X-v0"}], "no_such_module_anywhere"),
        ([SHORT, {**LONG, "env_config": {"lenght": 9}}], "no option 'lenght'"),
        ([SHORT, {**LONG, "env_config": {"length": 1}}], "length must be a whole number"),
        ([SHORT, {"env": "FrozenLake-v1"}], "observation space of 'FrozenLake-v1' is Discrete"),
        (
            [{"env": "rllib_gigpo.envs:NumberLine-v0", "env_config": {"observation": "image"}}],
            "observation space of .* is Box",
        ),
        ([SHORT, {"env": "rllib_gigpo.envs:Tools-v0"}], "Tools-v0' has tools, which a mixture"),
    ],
)
def test_a_bad_part_is_an_error_at_the_start(parts, message):
    with pytest.raises((ValueError, ImportError), match=message):
        MixtureEnv(parts)


def test_a_part_whose_package_is_missing_is_an_import_error_with_the_extra(monkeypatch):
    from rllib_gigpo.envs.textworld.textworld_env import TextWorldEnv

    def missing(*args, **options):
        raise ImportError('pip install "rllib-gigpo[textworld]"')

    monkeypatch.setattr(TextWorldEnv, "__init__", missing)
    with pytest.raises(ImportError, match=r"TextWorld-v0.*rllib-gigpo\[textworld\]"):
        MixtureEnv([SHORT, {"env": "rllib_gigpo.envs:TextWorld-v0"}])


def test_test_seeds_are_test_seeds_of_every_part_and_go_round_from_the_start(mixture):
    assert [mixture.locate(FIRST_TEST_SEED + seed) for seed in range(4)] == [
        (0, FIRST_TEST_SEED),
        (1, FIRST_TEST_SEED),
        (0, FIRST_TEST_SEED + 1),
        (0, FIRST_TEST_SEED + 2),
    ]
    assert max(mixture.locate(FIRST_TEST_SEED - seed)[1] for seed in range(1, 9)) < FIRST_TEST_SEED


def test_a_reset_without_a_seed_draws_a_training_task(mixture, monkeypatch):
    asked = []
    locate = MixtureEnv.locate
    monkeypatch.setattr(
        MixtureEnv, "locate", lambda self, seed: (asked.append(seed), locate(self, seed))[1]
    )
    mixture.reset(seed=0)
    for _ in range(20):
        mixture.reset()
    assert len(set(asked)) > 10
    assert max(asked) < FIRST_TEST_SEED


def test_step_needs_a_running_episode(mixture):
    with pytest.raises(gymnasium.error.ResetNeeded):
        mixture.step("go left")
    mixture.reset(seed=0)
    while not any(mixture.step("wait")[2:4]):
        pass
    with pytest.raises(gymnasium.error.ResetNeeded):
        mixture.step("go left")
    mixture.reset(seed=0)
    mixture.close()
    with pytest.raises(gymnasium.error.ResetNeeded):
        mixture.step("go left")
    assert mixture.reset(seed=0)[1]["tags"] == ["short", "corridor"]


def test_a_reset_that_fails_does_not_leave_the_old_episode_running(mixture, monkeypatch):
    mixture.reset(seed=0)

    def fail(self, **options):
        raise RuntimeError("no level")

    monkeypatch.setattr(CorridorEnv, "reset", fail)
    with pytest.raises(RuntimeError, match="no level"):
        mixture.reset(seed=1)
    with pytest.raises(gymnasium.error.ResetNeeded):
        mixture.step("go left")


@settings(deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**31 - 1), st.lists(st.text() | st.sampled_from(["go left", "go right"])))
def test_no_text_raises_whichever_part_is_played(seed, actions):
    env = MixtureEnv([SHORT, LONG, {"env": "rllib_gigpo.envs:EZPoints-v0"}])
    _, info = env.reset(seed=seed)
    task = info["task"]
    for action in actions:
        text, reward, terminated, truncated, info = env.step(action)
        assert text.encode()
        assert isinstance(reward, float)
        assert info["task"] == task
        assert info["tags"]
        if terminated or truncated:
            break
    env.close()


def test_a_mixture_runs_in_threads_if_all_its_parts_do():
    textworld = {"env": "rllib_gigpo.envs:TextWorld-v0"}
    assert MixtureEnv([textworld]).metadata[RUNS_IN_THREADS]
    assert not MixtureEnv([textworld, SHORT]).metadata[RUNS_IN_THREADS]

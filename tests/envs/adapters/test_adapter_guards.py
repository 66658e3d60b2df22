"""Guards that all six adapters share: odd text from an LLM, and the demands of a training run."""

import pickle

import gymnasium
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.games.adapter_games import ADAPTERS, HAS_ACTION_LIST, adapter_class

from rllib_gigpo.envs.adapters.adapter import MAX_ACTION_LENGTH, readable
from rllib_gigpo.envs.contract import FIRST_TEST_SEED

ODD_TEXTS = (
    "",
    "   ",
    "\ud800",
    "\x00\x1b[31m\r\n",
    "é √ 中 \U0001f600",
    "x" * 20_000,
    "\\boxed{",
    "%s{}",
)

several_examples = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("name", ADAPTERS)
@several_examples
@given(texts=st.lists(st.text(max_size=200) | st.sampled_from(ODD_TEXTS), min_size=4, max_size=8))
def test_no_text_makes_an_adapter_raise(name, texts, adapter_games):
    adapter_class(name)
    env = adapter_games[name]
    env.reset(seed=0)
    for text in texts:
        observation, reward, terminated, truncated, info = env.step(text)
        assert observation.encode()
        assert len(observation) < 10_000
        assert "\x1b" not in observation
        assert np.isfinite(reward)
        assert not info["won"]
        if terminated or truncated:
            env.reset(seed=0)


@pytest.mark.parametrize("name", HAS_ACTION_LIST)
def test_text_that_is_no_action_earns_and_ends_nothing(name, adapter_games):
    adapter_class(name)
    env = adapter_games[name]
    for text in ODD_TEXTS:
        _, before = env.reset(seed=0)
        _, reward, terminated, truncated, after = env.step(text)
        assert (reward, terminated, truncated) == (0.0, False, False)
        assert after["anchor"] == before["anchor"]
        assert after["admissible_actions"] == before["admissible_actions"]


@pytest.mark.parametrize("name", ADAPTERS)
def test_steps_need_a_running_episode(name, adapter_games):
    adapter_class(name)
    env = adapter_games[name]
    env.reset(seed=0)
    env.close()
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"call reset\(\)"):
        env.step("look")
    first, _ = env.reset(seed=0)  # opens the game again
    assert first
    assert env.step("look")[0]


@pytest.mark.parametrize(
    ("name", "options", "action"),
    [
        ("minigrid", {"name": "MiniGrid-GoToDoor-5x5-v0"}, "done"),
        ("text_arena", {"name": "TowerOfHanoi-v0-raw"}, "[nonsense]"),
        ("gem", {}, "nonsense"),
    ],
)
def test_no_step_follows_the_end_of_an_episode(name, options, action):
    env = adapter_class(name)(**options)
    env.reset(seed=0)
    for _ in range(10):
        *_, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            break
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(action)
    env.reset(seed=0)
    assert env.step(action)[0]


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_copy_by_pickle_plays_the_same(name, adapter_games):
    adapter_class(name)
    env = adapter_games[name]
    copy = pickle.loads(pickle.dumps(env))
    try:
        assert copy.reset(seed=5) == env.reset(seed=5)
    finally:
        copy.close()


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("seed", [None, FIRST_TEST_SEED, 2**31, 2**40])
def test_every_seed_has_a_task(name, seed, adapter_games):
    adapter_class(name)
    text, info = adapter_games[name].reset(seed=seed)
    assert text
    assert info["task"]


def test_actions_are_cut_and_cleaned():
    assert readable("  go \x00\x1b north\n\u2028now \ud800") == "go north now"
    assert readable("[√] é") == "[√] é"
    assert len(readable("x" * 10**6)) == MAX_ACTION_LENGTH

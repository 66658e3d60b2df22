import gymnasium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_gigpo.envs.corridor import CorridorEnv


def test_the_expert_reaches_the_goal_on_every_seed():
    env = CorridorEnv(length=6)
    for seed in range(50):
        _, info = env.reset(seed=seed)
        assert not info["won"]
        for _ in range(5):
            _, reward, terminated, truncated, info = env.step(info["expert_action"])
            if terminated:
                break
        assert (reward, terminated, truncated) == (1.0, True, False)
        assert info["won"]
        assert info["score"] == 1.0


def test_seeds_cover_all_starts_and_goals():
    env = CorridorEnv(length=3)
    starts = {(env.reset(seed=seed)[0], env.reset(seed=seed)[1]["task"]) for seed in range(100)}
    assert len(starts) == 6


def test_other_words_change_nothing_and_the_limit_truncates():
    env = CorridorEnv(max_steps=2)
    start, info = env.reset(seed=0)
    told = f"That is not a valid action. Use go left or go right. {start}"
    assert env.step("dance") == (told, 0.0, False, False, info)
    assert env.step("") == (told, 0.0, False, True, info)


def test_reaching_the_goal_with_the_last_step_is_no_truncation():
    env = CorridorEnv(length=2, max_steps=1)
    _, info = env.reset(seed=0)
    assert env.step(info["expert_action"])[1:4] == (1.0, True, False)


def test_walls_stop_the_walker():
    env = CorridorEnv(length=2, max_steps=9)
    seed = next(s for s in range(9) if "door 1 of 2" in env.reset(seed=s)[0])
    start, _ = env.reset(seed=seed)
    assert env.step("go left")[0] == start


def test_it_is_made_by_its_id():
    env = gymnasium.make("rllib_gigpo.envs:Corridor-v0", length=4, max_steps=5)
    assert env.reset(seed=1)[0].endswith("of 4.")


def test_impossible_options_are_refused():
    with pytest.raises(ValueError, match="length must be a whole number of at least 2; got 1"):
        CorridorEnv(1, max_steps=3)
    message = "max_steps must be a whole number of at least 1; got True"
    with pytest.raises(ValueError, match=message):
        CorridorEnv(max_steps=True)


def test_step_needs_a_running_episode():
    env = CorridorEnv(max_steps=1)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("go left")
    env.reset(seed=0)
    env.step("wait")
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("go left")


@settings(deadline=None, derandomize=True, database=None)
@given(st.text(max_size=300))
def test_no_text_raises_or_moves_the_walker(action):
    env = CorridorEnv()
    start, before = env.reset(seed=0)
    if action.strip().lower() not in before["admissible_actions"]:
        text, *rest = env.step(action)
        assert text.endswith(f". {start}")
        assert rest == [0.0, False, False, before]

"""ALFWorld-v0 as an agent sees it, with generated games and with a data set."""

import importlib.util
import pickle
import random
import subprocess
import sys
from pathlib import Path

import gymnasium
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.backends import needs_alfworld

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.alfworld.alfworld_env import ALFWorldEnv
from rllib_gigpo.envs.alfworld.game_files import write_games
from rllib_gigpo.envs.alfworld.pddl_goals import TASK_TYPES

pytestmark = needs_alfworld

SHARED = Path(__file__).parents[4] / "shared" / "data" / "alfworld"
ENV_ID = "rllib_gigpo.envs:ALFWorld-v0"


@pytest.fixture(autouse=True)
def no_data_set(monkeypatch):
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)


@pytest.fixture
def make_env(game_cache):
    envs = []

    def make(*task_types, **options):
        types = task_types or ("pick_and_place_simple",)
        envs.append(ALFWorldEnv(task_types=types, cache_dir=game_cache, **options))
        return envs[-1]

    yield make
    for env in envs:
        env.close()


def play(env, actions, *, seed):
    return [env.reset(seed=seed), *(env.step(action) for action in actions)]


def follow_expert(env, info, *, max_steps):
    """Return the rewards and the result of the last step."""
    rewards = []
    for _ in range(max_steps):
        answer = env.step(info["expert_action"])
        info = answer[-1]
        rewards.append(answer[1])
        if answer[2] or answer[3]:
            return rewards, answer
    raise AssertionError("the expert did not finish")


def test_it_keeps_the_contract(game_cache):
    report = check_env(ENV_ID, env_config={"cache_dir": str(game_cache)}, max_steps=30)
    report.raise_if_broken()
    assert report.expert_wins == 1
    assert min(report.info_shares.values()) > 0.98  # no expert action once the game is won


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_the_expert_wins_and_the_reward_is_one_at_the_end(make_env, task_type):
    env = make_env(task_type)
    _, info = env.reset(seed=1)
    assert info["tags"] == ["alfworld", task_type]
    rewards, (_, _, terminated, truncated, info) = follow_expert(env, info, max_steps=15)
    assert (terminated, truncated, info["won"], info["score"]) == (True, False, True, 1.0)
    assert rewards == [0.0] * (len(rewards) - 1) + [1.0]
    assert "expert_action" not in info


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_the_expert_wins_from_wherever_chance_has_led(make_env, task_type):
    env = make_env(task_type, max_steps=100)
    for trial in range(3):
        rng = random.Random(trial)
        _, info = env.reset(seed=1)
        for _ in range(30):
            action = rng.choice([*info["admissible_actions"], info["expert_action"]])
            _, _, terminated, _, info = env.step(action)
            if terminated:
                break
        else:
            _, answer = follow_expert(env, info, max_steps=20)
            assert answer[-1]["won"]


def test_the_expert_action_is_always_admissible(make_env):
    env = make_env("pick_two_obj_and_place")
    rng = random.Random(0)
    _, info = env.reset(seed=0)
    for _ in range(49):
        assert info["expert_action"] in info["admissible_actions"]
        _, _, terminated, _, info = env.step(rng.choice(info["admissible_actions"]))
        assert not terminated


def test_the_task_is_told_apart_from_the_observation(make_env):
    text, info = make_env().reset(seed=0)
    assert text.startswith("You are in the middle of a room. Looking quickly around you, you see a")
    assert text.endswith(".")
    assert "task" not in text
    assert info["task"].startswith("put ")
    assert "Welcome" not in text


def test_help_is_admissible_to_the_game_but_not_listed(make_env):
    env = make_env()
    _, info = env.reset(seed=0)
    assert "help" not in info["admissible_actions"]
    assert {"look", "inventory"} < set(info["admissible_actions"])
    assert info["admissible_actions"] == sorted(set(info["admissible_actions"]))
    assert "Available commands" in env.step("help")[0]


def test_commands_may_be_written_in_capitals_and_with_blanks(make_env):
    env = make_env()
    _, info = env.reset(seed=0)
    going = next(a for a in info["admissible_actions"] if a.startswith("go to"))
    assert env.step(f"  {going.upper()}\n")[0].startswith("You arrive at ")


def test_the_anchor_knows_the_place_the_hand_and_nothing_of_the_way(make_env):
    env = make_env("pick_clean_then_place_in_recep")
    _, start = env.reset(seed=0)
    anchors = [start["anchor"]]
    info = start
    while not info["expert_action"].startswith("move"):
        info = env.step(info["expert_action"])[-1]
        anchors.append(info["anchor"])
    assert anchors[0] == "in the middle of the room\nholding: nothing"
    assert len(set(anchors)) == len(anchors)  # every step of the plan changes the situation
    assert anchors[-2].endswith(")")
    assert "(clean)" in anchors[-2]

    here = info["anchor"]
    assert env.step("look")[-1]["anchor"] == here
    text, _, _, _, info = env.step("juggle")
    assert (text, info["anchor"]) == ("Nothing happens.", here)
    elsewhere = next(a for a in info["admissible_actions"] if a.startswith("go to"))
    assert env.step(elsewhere)[-1]["anchor"] != here


def test_one_seed_is_one_game_in_every_instance(make_env):
    rng = random.Random(0)
    first, second = make_env(*TASK_TYPES), make_env(*TASK_TYPES)
    _, info = first.reset(seed=3)
    actions = [rng.choice(info["admissible_actions"]) for _ in range(20)]
    once = play(first, actions, seed=3)
    first.reset(seed=4)
    assert play(first, actions, seed=3) == once
    assert play(second, actions, seed=3) == once


FIRST_TEXT = """
import sys
from rllib_gigpo.envs.alfworld.alfworld_env import ALFWorldEnv
print(repr(ALFWorldEnv(task_types=["look_at_obj_in_light"], cache_dir=sys.argv[1]).reset(seed=5)))
"""


def test_one_seed_is_one_game_in_every_process(make_env, tmp_path):
    command = [sys.executable, "-c", FIRST_TEXT, str(tmp_path)]  # its own, empty cache
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.stdout == f"{make_env('look_at_obj_in_light').reset(seed=5)!r}\n", result.stderr


def test_seeds_take_the_task_types_in_turns(make_env):
    env = make_env("look_at_obj_in_light", "pick_and_place_simple")
    tags = [env.reset(seed=seed)[1]["tags"][1] for seed in range(4)]
    assert tags == ["look_at_obj_in_light", "pick_and_place_simple"] * 2
    assert env.reset(seed=0)[0] != env.reset(seed=2)[0]


def test_test_seeds_play_the_test_split(make_env):
    options = {"first_test_seed": 100}
    env = make_env(test_split="valid_unseen", **options)
    unseen = make_env(split="valid_unseen", **options)
    same = make_env(**options)
    assert env.reset(seed=100)[0] == unseen.reset(seed=100)[0] != same.reset(seed=100)[0]
    assert env.reset(seed=1)[0] == same.reset(seed=1)[0] != unseen.reset(seed=1)[0]


def test_without_a_seed_the_next_game_follows_from_the_last_seed(make_env, monkeypatch):
    env = make_env()
    asked = []
    game = type(env._source).game
    monkeypatch.setattr(
        type(env._source), "game", lambda self, seed: (asked.append(seed), game(self, 1))[1]
    )
    for _ in range(2):
        env.reset(seed=1)
        env.reset()
    assert asked[1] == asked[3] < 2**20


def test_the_step_limit_truncates_and_does_not_terminate(make_env):
    env = make_env(max_steps=2)
    env.reset(seed=0)
    assert [env.step("look")[2:4] for _ in range(2)] == [(False, False), (False, True)]
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset"):
        env.step("look")


def test_a_win_at_the_step_limit_is_no_truncation_and_may_pay_ten(make_env):
    env = make_env()
    _, info = env.reset(seed=0)
    rewards, _ = follow_expert(env, info, max_steps=15)
    tight = make_env(max_steps=len(rewards), win_reward=10)
    _, info = tight.reset(seed=0)
    rewards, answer = follow_expert(tight, info, max_steps=15)
    assert (sum(rewards), answer[2], answer[3], answer[-1]["score"]) == (10.0, True, False, 1.0)


@pytest.fixture(scope="module")
def env_once(game_cache):
    env = ALFWorldEnv(task_types=["pick_and_place_simple"], cache_dir=game_cache)
    yield env
    env.close()


def odd_actions():
    words = ["go", "to", "take", "from", "{r}", "#look.feedback#", "fridge 1", "[o]", '"', "help;"]
    return st.one_of(
        st.text(max_size=300),
        st.lists(st.sampled_from(words), max_size=8).map(" ".join),
        st.sampled_from(
            ["", " \n", "\x00\x1b[31m", "x" * 10_000, "go to " * 2_000, "金貨", "😀" * 99]
        ),
    )


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(action=odd_actions())
def test_no_text_breaks_the_game(env_once, action):
    _, start = env_once.reset(seed=0)
    text, reward, terminated, truncated, info = env_once.step(action)
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert text == "Nothing happens."
    assert info == start


def test_the_shared_games_are_won_by_their_stored_plans():
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent")
    env = ALFWorldEnv(SHARED)
    seen = set()
    for seed in range(12):
        text, info = env.reset(seed=seed)
        seen.add(text)
        plan = list(env._engine.game.walkthrough)
        for command in plan:
            assert info["expert_action"] == command
            _, _, terminated, _, info = env.step(command)
        assert terminated
        assert info["won"]
    assert len(seen) == 12
    env.close()


def test_a_data_set_is_found_by_option_or_variable(monkeypatch, tmp_path):
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent")
    types = ("pick_two_obj_and_place",)
    monkeypatch.setenv("ALFWORLD_DATA", str(SHARED))
    env = ALFWorldEnv(task_types=types)
    texts = [env.reset(seed=seed)[0] for seed in range(4)]
    assert texts[0] == texts[2] != texts[1] == texts[3]
    with pytest.raises(ValueError, match="valid_seen contains no solvable game"):
        ALFWorldEnv(split="valid_seen")
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"ALFWORLD_DATA=.* contains no json_2\.1\.1/\{train,"):
        ALFWorldEnv()
    with pytest.raises(ValueError, match=r"data_dir=.* contains no"):
        ALFWorldEnv(tmp_path)


def test_a_damaged_game_of_a_data_set_is_named_when_the_environment_is_made(tmp_path):
    kinds = ["pick_and_place_simple"]
    whole, damaged = write_games(tmp_path, "train", 2, kinds)
    text = damaged.read_text()
    for remains in (text[: len(text) // 2], text[:-200], "", "\0" * len(text)):
        damaged.write_text(remains)
        with pytest.raises(ValueError, match=r"1 game file\(s\) are empty or truncated") as error:
            ALFWorldEnv(tmp_path, task_types=kinds)
        assert str(damaged) in str(error.value)
        assert str(whole) not in str(error.value)


def test_the_folder_that_alfworld_itself_names_counts_only_with_games(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path / ".cache" / "alfworld"))
    assert ALFWorldEnv()._source.root is None


def test_mistakes_in_the_options_are_named_with_the_fix():
    with pytest.raises(ValueError, match=r"split must be one of 'train', 'valid_seen'.*'test'"):
        ALFWorldEnv(split="test")
    with pytest.raises(ValueError, match="test_split must be one of"):
        ALFWorldEnv(test_split="test")
    with pytest.raises(ValueError, match=r"task_types must be one of .*'juggle'"):
        ALFWorldEnv(task_types=["juggle"])
    with pytest.raises(ValueError, match="task_types must be a non-empty list from pick"):
        ALFWorldEnv(task_types="pick_and_place_simple")
    with pytest.raises(ValueError, match="task_types must be a non-empty list"):
        ALFWorldEnv(task_types=[])
    with pytest.raises(ValueError, match="task_types must be a non-empty list"):
        ALFWorldEnv(task_types=5)


@pytest.mark.parametrize(
    "options",
    [
        *({"max_steps": value} for value in (0, "5", 2.5, True)),
        *({"first_test_seed": value} for value in (0, "a", 1.5)),
        *({"win_reward": value} for value in (0, -1.0, "x", True, float("nan"), float("inf"))),
    ],
)
def test_numbers_out_of_range_are_named_with_the_fix(options):
    [name] = options
    with pytest.raises(ValueError, match=f"{name} must be a .*number .*Fix it in env_config"):
        ALFWorldEnv(**options)


def test_a_cache_folder_that_cannot_be_made_is_an_error_at_the_start(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"cache_dir=.*file/games' cannot be made \(Not a dir"):
        ALFWorldEnv(cache_dir=tmp_path / "file" / "games")


def test_a_reset_that_fails_does_not_leave_the_old_game_running(make_env, monkeypatch):
    env = make_env()
    env.reset(seed=0)

    def fail(self, seed):
        raise ValueError("no such game")

    monkeypatch.setattr(type(env._source), "game", fail)
    with pytest.raises(ValueError, match="no such game"):
        env.reset(seed=1)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("look")


def test_an_environment_survives_pickling_as_a_new_one(make_env):
    env = make_env(max_steps=7)
    text, _ = env.reset(seed=0)
    copy = pickle.loads(pickle.dumps(env))
    assert copy.reset(seed=0)[0] == text
    assert copy._max_steps == 7
    copy.close()
    copy.close()


def test_gymnasium_makes_it_by_its_id(game_cache):
    env = gymnasium.make(ENV_ID, cache_dir=game_cache)
    assert env.reset(seed=0)[1]["tags"] == ["alfworld", "pick_and_place_simple"]
    env.close()


def test_without_alfworld_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"rllib-gigpo\[alfworld\]"):
        ALFWorldEnv()

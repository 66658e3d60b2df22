import importlib.util
import pickle
import shutil
import subprocess
import sys
import threading
import time

import gymnasium
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rllib_gigpo.envs.textworld.textworld_env import TextWorldEnv

CHALLENGES = {
    "coin_collector": {"level": 3},
    "treasure_hunter": {"level": 3},
    "simple": {"rewards": "dense"},
    "cooking": {"go": 1, "cut": True},
    "custom": {"num_rooms": 2, "num_objects": 3, "quest_length": 2},
}


def follow_expert(env, *, seed, max_steps=60):
    """Return the rewards and the result of the last step."""
    _, info = env.reset(seed=seed)
    rewards = []
    for _ in range(max_steps):
        text, reward, terminated, truncated, info = env.step(info["expert_action"])
        rewards.append(reward)
        if terminated or truncated:
            return rewards, (text, terminated, truncated, info)
    raise AssertionError("the expert did not finish")


def play(env, actions, *, seed):
    """Return everything that the environment answers, for comparison."""
    answers = [env.reset(seed=seed)]
    answers += [env.step(action) for action in actions]
    return answers


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_the_expert_wins_and_its_rewards_add_up_to_the_full_score(make_env, challenge):
    env = make_env(challenge, **CHALLENGES[challenge])
    rewards, (text, terminated, truncated, info) = follow_expert(env, seed=0)
    assert (terminated, truncated, info["won"]) == (True, False, True)
    assert sum(rewards) == info["score"] == env._game.max_score > 0
    assert "The End" in text
    assert "expert_action" not in info


def test_a_lost_game_terminates_without_being_won(make_env):
    env = make_env("cooking", **CHALLENGES["cooking"])
    _, info = env.reset(seed=0)
    food = info["expert_action"].split(" from ")[0].removeprefix("take ")
    env.step(info["expert_action"])
    _, reward, terminated, truncated, info = env.step(f"eat {food}")
    assert (terminated, truncated, info["won"], reward) == (True, False, False, 0.0)


def test_the_expert_of_a_game_with_drop_walks_back_after_a_detour(make_env):
    env = make_env("cooking", drop=True, go=6)
    _, info = env.reset(seed=1)
    assert env._state.policy_commands == ()  # TextWorld itself has no plan for these games
    detours = [action for action in info["admissible_actions"] if action.startswith("go ")]
    _, _, _, _, info = env.step(next(a for a in detours if a != info["expert_action"]))
    for _ in range(40):
        _, _, terminated, _, info = env.step(info["expert_action"])
        if terminated:
            break
    assert info["won"]


def test_texts_hold_neither_banner_nor_status_line_nor_tags(make_env):
    env = make_env()
    answers = play(env, ["look", "inventory", "go nowhere", "xyzzy", "go north", "look"], seed=0)
    for answer in answers:
        text, info = answer[0], answer[-1]
        for shown in (text, info["anchor"], info["task"]):
            assert "$$" not in shown
            assert "=-0/" not in shown
            assert "<" not in shown
            assert not shown.endswith(">")
        assert "\n\n" not in text
    assert answers[0][0].startswith("-= ")


def test_waiting_changes_neither_observation_nor_anchor(make_env):
    env = make_env()
    _, first = env.reset(seed=0)
    first_text = env.step("look")[0]
    text, _, _, _, info = env.step("look")
    assert text == first_text
    assert info["anchor"] == first["anchor"]


def test_coming_back_restores_the_anchor(make_env):
    env = make_env()
    _, start = env.reset(seed=0)
    there = start["expert_action"].removeprefix("go ")
    back = {"north": "south", "south": "north", "east": "west", "west": "east"}[there]
    _, _, _, _, away = env.step(f"go {there}")
    _, _, _, _, home = env.step(f"go {back}")
    assert away["anchor"] != start["anchor"]
    assert home["anchor"] == start["anchor"]


def test_the_anchor_tells_what_the_player_carries(make_env):
    env = make_env("custom", **CHALLENGES["custom"])
    _, info = env.reset(seed=0)
    taking = next(a for a in info["admissible_actions"] if a.startswith(("take", "drop")))
    _, _, _, _, after = env.step(taking)
    assert after["anchor"].splitlines()[-1] != info["anchor"].splitlines()[-1]


def test_one_seed_is_one_game_in_every_instance(make_env):
    actions = ["look", "go north", "go south", "go east", "go west", "take coin", "inventory"]
    first, second = make_env(), make_env()
    once = play(first, actions, seed=1)
    first.reset(seed=2)
    assert play(first, actions, seed=1) == once
    assert play(second, actions, seed=1) == once


def test_different_seeds_are_different_games(make_env):
    env = make_env()
    assert env.reset(seed=1)[0] != env.reset(seed=2)[0]


def test_without_a_seed_the_next_game_follows_from_the_last_seed(make_env, monkeypatch):
    env = make_env()
    asked = []
    monkeypatch.setattr(
        env._source, "file", lambda seed, file=env._source.file: (asked.append(seed), file(1))[1]
    )
    for _ in range(2):
        env.reset(seed=1)
        env.reset()
    assert asked[0] == 1
    assert asked[1] == asked[3] < 2**20


def test_the_step_limit_truncates_and_does_not_terminate(make_env):
    env = make_env(max_steps=3)
    env.reset(seed=0)
    ends = [env.step("look")[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]


def test_winning_at_the_step_limit_is_no_truncation(make_env):
    env = make_env(level=1, max_steps=1)
    env.reset(seed=0)
    assert env.step("take coin")[1:4] == (1.0, True, False)


def test_stepping_after_the_end_asks_for_a_reset(make_env):
    env = make_env(level=1)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("look")
    env.reset(seed=0)
    env.step("take coin")
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset"):
        env.step("look")


def test_the_description_mode_shows_the_room_after_every_step(make_env):
    env = make_env(observation="description")
    text, info = env.reset(seed=0)
    after = env.step("inventory")[0]
    assert after == text
    assert info["anchor"].startswith(text)


def test_feedback_shows_the_answer_to_the_command(make_env):
    env = make_env(observation="feedback")
    env.reset(seed=0)
    assert env.step("inventory")[0] == "You are carrying nothing."


def test_the_goal_setting_decides_how_much_of_the_way_is_given_away(make_env):
    tasks = {
        goal: make_env(goal=goal).reset(seed=0)[1]["task"] for goal in ("none", "brief", "detailed")
    }
    assert tasks["none"] == ""
    assert tasks["brief"] == "take coin"
    assert len(tasks["detailed"]) > 100


@pytest.mark.parametrize(
    "command", ["goal", "version", "script", "tw-print max_score", "print_state"]
)
def test_no_command_prints_the_way_to_the_goal(make_env, command):
    env = make_env()
    env.reset(seed=0)
    way = env._game.objective
    assert way[:40] not in env.step(command)[0]


@pytest.mark.parametrize(
    "command", ["undo", "restart", "quit", "restore", "save", "tw-trace-actions"]
)
def test_no_command_reaches_the_interpreter_itself(make_env, command):
    env = make_env()
    _, start = env.reset(seed=0)
    _, _, _, _, moved = env.step(start["expert_action"])
    text, _, terminated, _, info = env.step(command)
    env.step("yes")
    _, _, _, _, later = env.step("look")
    assert text == "That's not a verb I recognise."
    assert not terminated
    assert info["anchor"] == later["anchor"] == moved["anchor"]


@pytest.mark.parametrize(
    "joined", ["{0}. {0}", "{0} then {0}", "{0}\n{0}", "{0}; {0}", "{0}, {0}", "{0}, then {0}"]
)
def test_several_commands_in_one_action_are_at_most_one_step(make_env, joined):
    env = make_env()
    _, start = env.reset(seed=0)
    _, _, _, _, moved = env.step(start["expert_action"])
    env.reset(seed=0)
    _, _, _, _, info = env.step(joined.format(start["expert_action"]))
    assert info["anchor"] in (moved["anchor"], start["anchor"])


def odd_actions():
    verbs = ["go", "take", "drop", "open", "all", "then", "quit", "yes", "y", "again", "undo", "me"]
    marks = [".", ",", ";", '"', "-", "[", "]", "<score>", "</description>", "*** The End ***"]
    words = st.sampled_from([*verbs, *marks, "coin", "north", "south", "tw-extra-infos"])
    sentences = st.lists(words, max_size=12).map(" ".join)
    return st.one_of(st.text(max_size=300), sentences)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(action=odd_actions())
def test_no_text_breaks_the_game(make_env_once, action):
    env = make_env_once
    _, start = env.reset(seed=0)
    text, _, terminated, truncated, info = env.step(action)
    assert isinstance(text, str)
    assert not terminated
    assert not truncated
    assert not info["won"]
    assert info["anchor"].count("-= ") == 1
    # The game goes on as if nothing had happened: the same commands still reach the goal.
    _, _, _, _, after = env.step(info["expert_action"])
    assert after["anchor"] != info["anchor"]
    assert start["task"] == after["task"]


@pytest.fixture(scope="module")
def make_env_once(game_cache):
    env = TextWorldEnv("coin_collector", level=5, cache_dir=game_cache)
    yield env
    env.close()


@pytest.mark.parametrize(
    "action",
    ["", " ", "\n", "\x00\x01\x1b[31m", "x" * 10_000, "go " * 5_000, "金貨を取る", "😀" * 999],
)
def test_extreme_actions_are_answered_in_words_at_once(make_env, action):
    env = make_env()
    env.reset(seed=0)
    start = time.perf_counter()
    text, reward, terminated, _, _ = env.step(action)
    assert time.perf_counter() - start < 5
    assert text
    assert reward == 0
    assert not terminated


def test_admissible_actions_are_sorted_and_all_understood(make_env):
    env = make_env("custom", **CHALLENGES["custom"])
    _, info = env.reset(seed=0)
    assert info["admissible_actions"] == sorted(set(info["admissible_actions"]))
    for action in info["admissible_actions"]:
        env.reset(seed=0)
        text = env.step(action)[0]
        assert "recognise" not in text
        assert "can't see" not in text


def test_given_game_files_are_picked_by_the_seed(make_env, game_cache):
    for seed in (1, 2):
        make_env().reset(seed=seed)
    files = sorted(game_cache.glob("coin_collector_level-5*/[12].z8"))
    env = TextWorldEnv(game_files=files)
    texts = [env.reset(seed=seed)[0] for seed in range(4)]
    assert texts[0] == texts[2] != texts[1] == texts[3]
    assert env.reset(seed=0)[1]["tags"] == ["textworld", "game_files"]
    env.close()


@pytest.fixture
def given_game(game_cache, make_env, tmp_path):
    """A copy of a game for tests to damage."""
    make_env().reset(seed=1)
    [file] = game_cache.glob("coin_collector_level-5*/1.z8")
    for suffix in (".z8", ".json"):
        shutil.copy(file.with_suffix(suffix), tmp_path)
    return tmp_path / file.name


def test_a_story_file_cut_short_is_an_error_at_the_start_and_not_the_end_of_the_process(given_game):
    given_game.write_bytes(given_game.read_bytes()[:100_000])
    message = r"1\.z8' is not a complete Z-machine game: .*Use a story file"
    with pytest.raises(ValueError, match=message):
        TextWorldEnv(game_files=[given_game])


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "{}",
        lambda text: "[" * 100_000,
        lambda text: text.replace('"quests"', '"requests"'),
        lambda text: text.replace('"walkthrough": [', '"walkthrough": [7, '),
    ],
)
def test_a_broken_description_is_an_error_at_the_start_that_names_it(given_game, damage):
    description = given_game.with_suffix(".json")
    text = description.read_text()
    assert damage(text) != text
    description.write_text(damage(text))
    with pytest.raises(ValueError, match=r"1\.json' does not describe a TextWorld game .*tw-make"):
        TextWorldEnv(game_files=[given_game])


def test_mistakes_in_the_options_are_named_with_the_fix(tmp_path):
    with pytest.raises(ValueError, match=r"coin_colector.*coin_collector"):
        TextWorldEnv("coin_colector")
    with pytest.raises(ValueError, match=r"lvl=5 \(no such option\); level='5' \(expected int\)"):
        TextWorldEnv(lvl=5, level="5")
    with pytest.raises(ValueError, match=r"observation.*'feedback', 'description'.*'pixels'"):
        TextWorldEnv(observation="pixels")
    for max_steps in (0, "5", 2.5, True):
        with pytest.raises(ValueError, match="max_steps must be a whole number of at least 1"):
            TextWorldEnv(max_steps=max_steps)
    with pytest.raises(ValueError, match="expert must be True or False; got 'no'"):
        TextWorldEnv(expert="no")
    with pytest.raises(ValueError, match=r"missing\.z8"):
        TextWorldEnv(game_files=[tmp_path / "missing.z8"])
    with pytest.raises(ValueError, match="empty list"):
        TextWorldEnv(game_files=[])
    with pytest.raises(ValueError, match=r"game_files must be a list of files; got 'a\.z8' alone"):
        TextWorldEnv(game_files="a.z8")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"cache_dir=.*file/games' cannot be made \(Not a dir"):
        TextWorldEnv(cache_dir=tmp_path / "file" / "games")
    with pytest.raises(ValueError, match="exclude"):
        TextWorldEnv(game_files=["a.z8"], level=3)
    with pytest.raises(ValueError, match="4294967295"):
        TextWorldEnv(cache_dir=tmp_path).reset(seed=2**32)


def test_an_environment_survives_pickling_as_a_new_one(make_env):
    env = make_env(level=3, max_steps=7)
    text, _ = env.reset(seed=0)
    copy = pickle.loads(pickle.dumps(env))
    assert copy.reset(seed=0)[0] == text
    assert copy._max_steps == 7
    copy.close()


def test_gymnasium_makes_it_by_its_id(game_cache):
    env = gymnasium.make("rllib_gigpo.envs:TextWorld-v0", level=3, cache_dir=game_cache)
    text, info = env.reset(seed=0)
    assert text.startswith("-= ")
    assert info["tags"] == ["textworld", "coin_collector", "level=3"]
    env.close()


def test_environments_play_in_threads_as_they_play_alone(make_env):
    actions = ["look", "go north", "go east", "go south", "go west", "xyzzy"] * 3
    alone = {seed: play(make_env(), actions, seed=seed) for seed in (0, 1)}
    together = {}

    def run(number):
        together[number] = play(make_env(), actions, seed=number % 2)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == {number: alone[number % 2] for number in range(4)}


LOAD_IN_THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from rllib_gigpo.envs.textworld.textworld_env import TextWorldEnv

def first_text(number):
    return TextWorldEnv(cache_dir=sys.argv[1]).reset(seed=0)[0]

with ThreadPoolExecutor(4) as pool:
    print(len(set(pool.map(first_text, range(4)))))
"""


def test_threads_may_load_the_first_game_of_a_process_at_once(make_env, game_cache):
    make_env().reset(seed=0)  # the game exists then; only its logic must still be parsed
    command = [sys.executable, "-c", LOAD_IN_THREADS, str(game_cache)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.stdout == "1\n", result.stderr


def test_many_resets_of_one_game_load_it_once(make_env):
    env = make_env()
    env.reset(seed=0)
    game = env._game
    for _ in range(3):
        env.reset(seed=0)
    assert env._game is game
    env.reset(seed=1)
    assert env._game is not game


def test_step_needs_a_running_episode_of_a_game_that_was_begun(make_env, monkeypatch):
    env = make_env(max_steps=1)
    env.reset(seed=0)
    assert env.step("look")[2:4] == (False, True)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("look")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="4294967295"):
        env.reset(seed=2**32)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("look")


def test_without_an_expert_the_game_is_the_same_and_shows_no_way_to_win(make_env):
    told, untold = (
        make_env("coin_collector", level=3),
        make_env("coin_collector", level=3, expert=False),
    )
    text, info = told.reset(seed=4)
    same_text, less_info = untold.reset(seed=4)
    assert same_text == text
    assert "expert_action" in info
    assert "expert_action" not in less_info
    step = untold.step(info["expert_action"])
    assert "expert_action" not in step[-1]


def test_without_textworld_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(ImportError, match=r'pip install "rllib-gigpo\[textworld\]"'):
        TextWorldEnv("coin_collector")

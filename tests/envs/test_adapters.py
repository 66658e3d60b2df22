"""Thin adapters with the real packages behind them; those that are not installed are skipped."""

import random
import shutil

import gymnasium
import numpy as np
import pytest

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.adapters.global_random import OwnRandomState
from rllib_gigpo.envs.adapters.grid_view import describe_view
from rllib_gigpo.envs.backends import import_backend, require_java
from rllib_gigpo.envs.textworld_games import GameSpec, game_file

IDS = "rllib_gigpo.envs:"
needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="no Java here")


def checked(env, module, /, **env_config):
    pytest.importorskip(module)
    report = check_env(IDS + env, env_config=env_config, num_episodes=2, max_steps=15)
    assert report.is_ok, str(report)
    return report


@pytest.mark.parametrize("name", ["BabyAI-GoToObj-v0", "MiniGrid-DoorKey-5x5-v0"])
def test_minigrid_keeps_the_contract(name):
    checked("MiniGrid-v0", "minigrid", name=name)


def test_the_babyai_bot_wins_also_off_its_path():
    pytest.importorskip("minigrid")
    from rllib_gigpo.envs.adapters.minigrid import MiniGridEnv

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


def test_a_view_is_told_from_near_to_far():
    image = np.zeros((7, 7, 3), np.uint8)
    image[:, :, 0] = 1
    image[3, 5] = (2, 0, 0)  # a wall right ahead
    image[2, 6] = (4, 4, 2)  # a locked yellow door to the left
    image[5, 2] = (6, 0, 0)  # a red ball
    objects, colours = {4: "door", 6: "ball"}, {0: "red", 4: "yellow"}
    assert describe_view(image, objects, colours) == (
        "You see a locked yellow door 1 to the left; a red ball 4 ahead and 2 to the right."
        " A wall is right ahead."
    )


@pytest.mark.parametrize("name", ["FrozenLake-v0-raw", "TowerOfHanoi-v0-raw"])
def test_textarena_keeps_the_contract(name):
    checked("TextArena-v0", "textarena", name=name)


def test_a_game_of_textarena_is_won_and_lost():
    pytest.importorskip("textarena")
    from rllib_gigpo.envs.adapters.text_arena import TextArenaEnv

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


def test_jericho_keeps_the_contract(tmp_path):
    file = game_file(GameSpec.create("coin_collector", {"level": 2}), 1, cache_dir=tmp_path)
    report = checked("Jericho-v0", "jericho", game_file=str(file))
    assert report.num_steps > 0
    with pytest.raises(ValueError, match="There is no game file"):
        gymnasium.make(IDS + "Jericho-v0", game_file=str(tmp_path / "none.z8"))


@pytest.mark.parametrize("name", ["game:GuessTheNumber-v0-easy"])
def test_gem_keeps_the_contract(name):
    checked("Gem-v0", "gem", name=name)


@needs_java
def test_scienceworld_keeps_the_contract_and_its_plan_wins():
    pytest.importorskip("scienceworld")
    from rllib_gigpo.envs.adapters.science_world import ScienceWorldEnv

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
        with pytest.raises(ValueError, match="has no task 'fly'"):
            ScienceWorldEnv("fly")
    finally:
        env.close()


@needs_java
def test_textworld_express_plays_and_its_plan_wins():
    pytest.importorskip("textworld_express")
    from rllib_gigpo.envs.adapters.textworld_express import TextWorldExpressEnv

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
    with pytest.raises(ImportError, match="install a Java runtime"):
        require_java()

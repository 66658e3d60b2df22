"""ALFWorld's generated games: six types, all solvable, the same bytes for the same number."""

import json
import re
import threading
from pathlib import Path

import pytest
from support.backends import needs_alfworld

from rllib_gigpo.envs.alfworld import game_files
from rllib_gigpo.envs.alfworld.engine import Engine
from rllib_gigpo.envs.alfworld.game import read_game
from rllib_gigpo.envs.alfworld.game_files import cached_game, default_cache_dir, write_games
from rllib_gigpo.envs.alfworld.generation.generator import generate_game
from rllib_gigpo.envs.alfworld.generation.scene import SPLITS, scene_numbers
from rllib_gigpo.envs.alfworld.official_games import find_games
from rllib_gigpo.envs.alfworld.pddl_goals import TASK_TYPES, PddlGoal, parse_goal

pytestmark = needs_alfworld

GOALS = {
    "pick_and_place_simple": {"count": 1},
    "look_at_obj_in_light": {"count": 1, "lamp_type": "desklamptype"},
    "pick_clean_then_place_in_recep": {"count": 1, "condition": "isclean"},
    "pick_heat_then_place_in_recep": {"count": 1, "condition": "ishot"},
    "pick_cool_then_place_in_recep": {"count": 1, "condition": "iscool"},
    "pick_two_obj_and_place": {"count": 2},
}


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_a_game_of_each_type_is_won_by_the_last_step_of_its_plan(task_type):
    made = generate_game(task_type, 0)
    game = read_game(made.data)
    goal = parse_goal(game.goal)
    _, target, _, place, scene = made.folder.split("-")
    expected = {"condition": None, "lamp_type": None, **GOALS[task_type]}
    is_look = task_type == "look_at_obj_in_light"
    receptacle = None if is_look else f"{place.lower()}type"
    assert goal == PddlGoal(f"{target.lower()}type", receptacle_type=receptacle, **expected)
    assert target.lower() in game.grammar.task
    assert place.lower() in game.grammar.task
    assert int(scene) in scene_numbers(task_type, "train")

    engine = Engine()
    engine.start(game)
    for command in game.walkthrough:
        assert not engine.has_won
        assert command in engine.admissible_commands
        engine.execute(command)
    assert engine.has_won
    engine.close()


def test_a_number_is_one_game_and_other_numbers_and_splits_are_others():
    kind = "pick_and_place_simple"
    game = generate_game(kind, 3)
    assert generate_game(kind, 3) == game
    others = [generate_game(kind, 4), generate_game(kind, 3, split="valid_seen")]
    assert all(other.data["pddl_problem"] != game.data["pddl_problem"] for other in others)


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_unseen_games_are_set_in_other_rooms(task_type):
    train, seen, unseen = (set(scene_numbers(task_type, split)) for split in SPLITS)
    assert train == seen
    assert unseen
    assert not train & unseen


def test_a_cached_game_is_made_once_whoever_asks(tmp_path, monkeypatch):
    asked = []

    def generate(*args, **options):
        asked.append(args)
        return generate_game(*args, **options)

    monkeypatch.setattr(game_files, "generate_game", generate)
    files = []

    def ask():
        kind = "look_at_obj_in_light"
        files.append(cached_game(kind, 7, split="train", cache_dir=tmp_path))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(files)) == len(asked) == 1
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [files[0]]
    made = generate_game("look_at_obj_in_light", 7)
    assert json.loads(files[0].read_text()) == made.data


def test_a_damaged_game_in_the_cache_is_made_again(tmp_path):
    kind = "pick_and_place_simple"
    file = cached_game(kind, 0, split="train", cache_dir=tmp_path)
    whole = file.read_text()
    for remains in (whole[:5000], "", whole.replace('"walkthrough": [', '"walkthrough": [7, ')):
        file.write_text(remains)
        assert cached_game(kind, 0, split="train", cache_dir=tmp_path) == file
        assert file.read_text() == whole


def test_a_failure_leaves_no_half_written_game(tmp_path, monkeypatch):
    def fail(source, target):
        raise OSError("full")

    monkeypatch.setattr(game_files.os, "replace", fail)
    with pytest.raises(OSError, match="full"):
        cached_game("pick_and_place_simple", 0, split="train", cache_dir=tmp_path)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_the_default_cache_follows_the_xdg_convention(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "rllib_gigpo" / "alfworld"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_dir() == Path.home() / ".cache" / "rllib_gigpo" / "alfworld"


def test_what_alfworld_leaves_out_of_a_data_set_is_left_out(tmp_path):
    [file] = write_games(tmp_path, "train", 1, ["pick_and_place_simple"])
    text = file.read_text()
    folder = file.parents[2]
    for name, content in (
        ("pick_and_place_simple-Cup-None-Desk-301", text.replace('"solvable": true', '"a": true')),
        ("pick_and_place_with_movable_recep-Cup-Pan-Desk-301", text),
        ("pick_and_place_simple-AppleSliced-None-Desk-301", text),
        ("pick_two_obj_and_place-Cup-None-Desk-301", text),
    ):
        other = folder / name / "trial" / "game.tw-pddl"
        other.parent.mkdir(parents=True)
        other.write_text(content)
    assert find_games(tmp_path, "train", ("pick_and_place_simple",)) == (file,)
    assert len(find_games(tmp_path, "train", TASK_TYPES)) == 2


@pytest.mark.parametrize(
    "arguments",
    [("juggle", 0, "train"), ("pick_and_place_simple", -1, "train"), (*TASK_TYPES[:1], 0, "test")],
)
def test_a_game_that_cannot_be_is_refused(arguments):
    kind, number, split = arguments
    with pytest.raises(ValueError, match=re.escape(f"no generated game {number} of {kind!r}")):
        generate_game(kind, number, split=split)


def test_goals_of_other_kinds_are_not_taken_for_one_of_the_six():
    place = "(exists (?r - receptacle) (and (objecttype ?o appletype) (receptacletype ?r desktype)"
    assert parse_goal(place) == PddlGoal("appletype", 1, "desktype", None, None)
    assert parse_goal(f"{place} (issliced ?o)") is None
    assert parse_goal(f"{place} (inreceptacleobject ?o ?mo)") is None
    assert parse_goal("(and (atlocation ?a ?l))") is None

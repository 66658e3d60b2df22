"""Interactive fiction: the adapter reads the text of games that Jericho does not know."""

import json
import os
import pickle

import pytest

pytest.importorskip("jericho")
pytest.importorskip("textworld")

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.adapters.jericho.jericho_env import JerichoEnv
from rllib_gigpo.envs.adapters.jericho.jericho_progress import TextReader
from rllib_gigpo.envs.textworld.interpreter_text import REFUSAL
from rllib_gigpo.envs.textworld.textworld_games import GameSpec, game_file


@pytest.fixture(scope="module")
def cooking_game(game_cache):
    return game_file(GameSpec.create("cooking", {}), 3, cache_dir=game_cache)


def walkthrough(game):
    return json.loads(game.with_suffix(".json").read_text())["metadata"]["walkthrough"]


def play(game, actions):
    env = JerichoEnv(str(game))
    env.reset(seed=0)
    answers = [env.step(action) for action in actions]
    env.close()
    return answers


@pytest.mark.parametrize("game", ["coin_game", "cooking_game"])
def test_the_contract_is_kept_and_rooms_have_anchors_of_their_own(game, request):
    file = str(request.getfixturevalue(game))
    env_id = "rllib_gigpo.envs:Jericho-v0"
    report = check_env(env_id, env_config={"game_file": file}, num_episodes=2, max_steps=15)
    assert report.is_ok, str(report)


def test_two_rooms_have_two_anchors_and_the_way_back_the_first(coin_game):
    env = JerichoEnv(str(coin_game))
    _, start = env.reset(seed=0)
    there = walkthrough(coin_game)[0]
    back = {"east": "west", "west": "east", "north": "south", "south": "north"}
    _, _, _, _, away = env.step(there)
    _, _, _, _, home = env.step(f"go {back[there.split()[1]]}")
    env.close()
    assert away["anchor"] != start["anchor"]
    assert home["anchor"] == start["anchor"]


def test_what_is_carried_is_part_of_the_state(cooking_game):
    answers = play(cooking_game, walkthrough(cooking_game)[:-1])
    takes = [number for number, answer in enumerate(answers) if "You take" in answer[0]]
    assert takes
    for number in takes:
        assert answers[number][4]["anchor"] != answers[number - 1][4]["anchor"]


@pytest.mark.parametrize("game", ["coin_game", "cooking_game"])
def test_a_won_game_ends_with_all_its_points(game, request):
    file = request.getfixturevalue(game)
    answers = play(file, walkthrough(file))
    assert [answer[2] for answer in answers] == [False] * (len(answers) - 1) + [True]
    assert [answer[4]["won"] for answer in answers] == [answer[2] for answer in answers]
    total = sum(answer[1] for answer in answers)
    assert total == answers[-1][4]["score"] >= 1
    assert f"You scored {total:.0f} out of a possible {total:.0f}" in answers[-1][0]


def test_a_lost_game_ends_without_a_victory(cooking_game):
    plan = walkthrough(cooking_game)
    takes = next(number for number, action in enumerate(plan) if action.startswith("take"))
    food = plan[takes].removeprefix("take ").split(" from ")[0]
    answers = play(cooking_game, [*plan[: takes + 1], f"eat {food}"])
    assert answers[-1][2]
    assert not answers[-1][4]["won"]
    assert answers[-1][4]["score"] == answers[-2][4]["score"]


def test_reading_the_state_costs_no_turn(coin_game):
    answers = play(coin_game, walkthrough(coin_game))
    assert f"in {len(answers) + 1} turns" in answers[-1][0]


@pytest.mark.parametrize(
    "command",
    ["save", "restore", "script", "quit", "restart", "undo", "verbose", "SAVE", "again", "version"],
)
def test_commands_to_the_interpreter_are_refused(command, coin_game, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = JerichoEnv(str(coin_game))
    _, before = env.reset(seed=0)
    text, reward, terminated, truncated, after = env.step(command)
    assert (text, reward, terminated, truncated) == (REFUSAL, 0.0, False, False)
    assert after == before
    env.step("no")
    env.step(f"look. {command}")  # only the first of several commands is read
    env.close()
    assert os.listdir(tmp_path) == []


def test_a_damaged_game_is_refused_before_the_interpreter_ends_the_process(coin_game, tmp_path):
    damaged = tmp_path / "damaged.z8"
    damaged.write_bytes(coin_game.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"damaged\.z8.*not a complete Z-machine game"):
        JerichoEnv(str(damaged))
    with pytest.raises(ValueError, match="There is no game file"):
        JerichoEnv(str(tmp_path / "none.z8"))


def test_a_copy_can_be_sent_to_another_process(coin_game):
    env = JerichoEnv(str(coin_game), task="Find the coin.")
    _, info = pickle.loads(pickle.dumps(env)).reset(seed=0)
    assert info["task"] == "Find the coin."


class _TellingGame:
    """An interpreter that answers "score" with a fixed text."""

    def __init__(self, score):
        self._answer = score

    def get_state(self):
        return None

    def set_state(self, state):
        pass

    def step(self, command):
        return (self._answer if command == "score" else command), 0, False, {}

    def _emulator_halted(self):
        return False


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("You have so far scored 3 out of a possible 10, in 12 turns.", 3.0),
        ("Your score is 5 (total of 350 points), in 3 moves.", 5.0),
        ("Your score would be -10 (out of 350).", -10.0),
        ("You have scored 7 in 40 turns.", 7.0),
        ("There is no score in this story.", 0.0),
    ],
)
def test_scores_are_read_as_games_tell_them(answer, score):
    assert TextReader(_TellingGame(answer)).read("Hall").score == score


@pytest.mark.parametrize(
    ("text", "has_ended", "is_won"),
    [
        ("*** You have won ***\nWould you like to RESTART, RESTORE or QUIT?", True, True),
        ("*** The End ***\nYou scored 1 out of a possible 1.\nRESTART, QUIT?", True, True),
        ("*** The End ***\nYou scored 1 out of a possible 4.\nRESTART, QUIT?", True, False),
        ("*** You have died ***\nWould you like to RESTART, RESTORE or QUIT?", True, False),
        ("**** You have died ****\nYou find yourself in a forest.", False, False),
        ("A sign says: ** RESTART **", False, False),
    ],
)
def test_the_end_is_read_by_its_stars(text, has_ended, is_won):
    progress = TextReader(_TellingGame("")).read(text)
    assert (progress.has_ended, progress.is_won) == (has_ended, is_won)

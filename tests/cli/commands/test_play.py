"""`rllib play` and `rllib envs`: their output, the players, and refused arguments."""

import re
from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces

from rllib_gigpo.cli.main import main
from rllib_gigpo.cli.playing.players import Chance, Expert, Person, Quit
from rllib_gigpo.cli.playing.shown import in_one_line, shown
from rllib_gigpo.envs import CATALOGUE
from rllib_gigpo.envs.corridor import CorridorEnv
from rllib_gigpo.errors import EnvContractError

CORRIDOR = "rllib_gigpo.envs:Corridor-v0"
WORDS = spaces.Text(20)
INFO = {"admissible_actions": ["go left", "go right"], "expert_action": "go right"}


def typed(*lines):
    """Return a fake terminal at which these lines are typed before it closes."""
    remaining = iter(lines)

    def ask(prompt):
        try:
            return next(remaining)
        except StopIteration:
            raise EOFError from None

    return ask


def play_at_random(space, *, num_steps):
    chance = Chance(1, space)
    return [chance.choose({}) for _ in range(num_steps)]


def test_a_person_types_a_number_or_a_text():
    person = Person(typed("2", " jump ", "3", "9" * 400))
    assert person.choose(INFO) == "go right"
    assert person.choose(INFO) == "jump"
    assert person.choose(INFO) == "3"
    assert person.choose(INFO) == "9" * 400


def test_a_typed_number_is_the_action_of_that_name_before_it_is_a_position():
    info = {"admissible_actions": ["10", "2", "+", "="]}
    person = Person(typed("2", "10", "3", "1"))
    assert [person.choose(info) for _ in range(4)] == ["2", "10", "+", "10"]


@pytest.mark.parametrize("lines", [["quit"], []])
def test_a_person_may_stop(lines):
    with pytest.raises(Quit):
        Person(typed(*lines)).choose(INFO)


def test_the_expert_and_chance_play_by_what_the_environment_says():
    assert Expert().choose(INFO) == "go right"
    drawn = [[Chance(seed, WORDS).choose(INFO) for seed in range(8)] for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert set(drawn[0]) == set(INFO["admissible_actions"])
    with pytest.raises(EnvContractError, match="--as person"):
        Expert().choose({})


@pytest.mark.parametrize("space", [WORDS, spaces.Discrete(3)], ids=["text", "numbers"])
def test_chance_draws_from_the_action_space_where_no_actions_are_named(space):
    once, again = (play_at_random(space, num_steps=8) for _ in range(2))
    assert once == again
    assert all(space.contains(action) for action in once)


def test_chance_types_words_of_the_task_where_an_action_leaves_them_open():
    info = {"admissible_actions": ["search[<your query>]"], "task": "Find me red polo shirts"}
    drawn = {Chance(seed, WORDS).choose(info) for seed in range(20)}
    assert len(drawn) > 5
    for action in drawn:
        words = action.removeprefix("search[").removesuffix("]").split()
        assert 1 <= len(words) <= 3
        assert set(words) <= set(info["task"].split())


def test_each_turn_shows_prompt_anchor_actions_and_reward(capsys):
    assert main(["play", CORRIDOR, "--as", "expert", "--seed", "3", "--template", "compact"]) == 0
    shown = capsys.readouterr().out
    for part in (
        "--- 1 ---",
        "Go to door",
        "anchor     You stand at door",
        "admissible 1:go left  2:go right",
        "action     go ",
        "reward     1   so far 1",
        "won True, return 1",
    ):
        assert part in shown


def test_a_person_plays_until_quitting(monkeypatch, capsys):
    monkeypatch.setattr("builtins.input", typed("go nowhere", "1", "quit"))
    options = ["--env-config", '{"length": 9, "max_steps": 20}', "--seed", "1"]
    assert main(["play", CORRIDOR, *options]) == 0
    shown = capsys.readouterr().out
    assert "action     go nowhere" in shown
    assert "action     go left" in shown
    assert "--- 3 ---" in shown
    assert "won False, return 0" in shown


def test_an_episode_ends_at_the_bound(capsys):
    options = ["--env-config", '{"length": 50, "max_steps": 99}', "--as", "random"]
    assert main(["play", CORRIDOR, *options, "--max-steps", "2"]) == 0
    assert "--- 3 ---" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--seed", "-1"], "argument --seed: '-1' is not a whole number of at least 0"),
        (["--seed", "one"], "'one' is not a whole number of at least 0"),
        (["--history-length", "-1"], "argument --history-length: '-1' is not a whole number"),
        (["--max-steps", "0"], "argument --max-steps: '0' is not a whole number of at least 1"),
    ],
)
def test_numbers_out_of_range_are_told_in_one_line(option, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["play", CORRIDOR, "--as", "random", *option])
    assert stopped.value.code == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("call", ["reset", "step"])
def test_an_environment_that_fails_is_told_in_one_line(call, monkeypatch, capsys):
    def fail(self, *args, **options):
        raise OSError("the door is stuck")

    monkeypatch.setattr(CorridorEnv, call, fail)
    assert main(["play", CORRIDOR, "--as", "random"]) == 2
    err = capsys.readouterr().err
    assert f"The environment failed in {call}(" in err
    assert err.endswith("OSError: the door is stuck\n")


@pytest.mark.parametrize("arguments", [[], [CORRIDOR, "--checkpoint", "there"]])
def test_it_plays_an_environment_or_a_checkpoint(arguments, capsys):
    assert main(["play", *arguments]) == 2
    assert "either the ID of an environment or --checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([CORRIDOR, "--set", "lr=1"], "--set changes how a checkpoint plays"),
        ([CORRIDOR, "--engine", "vllm"], "--engine changes how a checkpoint plays"),
        (["--checkpoint", "there", "--as", "expert"], "--as expert cannot be combined with"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(arguments, message, capsys):
    assert main(["play", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_an_unknown_environment_is_an_error(capsys):
    assert main(["play", "rllib_gigpo.envs:Nowhere-v0", "--as", "random"]) == 2
    assert "Nowhere" in capsys.readouterr().err


def test_all_environments_are_listed_with_what_they_need(capsys):
    assert main(["envs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [entry.id for entry in CATALOGUE]
    for entry, line in zip(CATALOGUE, lines, strict=True):
        assert (entry.extra or "-") in line
        assert ("(installed)" in line) is entry.is_installed


def test_images_bytes_and_control_characters_are_shown_in_short():
    grid = np.zeros((7, 7, 3), np.uint8)
    assert shown((grid.tobytes(), 3, None)) == shown((bytes(147), 3, None))
    assert re.fullmatch(r"\(<147 bytes, [0-9a-f]{8}>, 3, None\)", shown((bytes(147), 3, None)))
    assert re.fullmatch(
        r"\{image: <array 7x7x3, \w{8}>, text: a\}", shown({"image": grid, "text": "a"})
    )
    assert shown(grid) != shown(grid + 1)
    assert shown("a\nb") == "a\nb"
    assert [in_one_line(action) for action in ("go", np.int64(3), "a\rb")] == ["go", "3", "'a\\rb'"]


def test_an_image_is_played_without_its_numbers(capsys):
    options = ["--env-config", '{"observation": "image"}', "--max-steps", "1"]
    assert main(["play", "rllib_gigpo.envs:Sokoban-v0", "--as", "expert", *options]) == 0
    output = capsys.readouterr().out
    assert "<array 96x96x3, " in output
    assert "[[" not in output


def test_a_missing_program_is_told_with_the_packages():
    entry = replace(CATALOGUE[0], extra="x", modules=("no_such_module",), programs=("no_program",))
    assert entry.missing == ("pip install 'rllib-gigpo[x]'", "no no_program on the PATH")
    assert not entry.is_installed
    assert not replace(entry, modules=()).is_installed
    assert replace(entry, modules=(), programs=("sh",)).missing == ()
    needs_java = {entry.name for entry in CATALOGUE if entry.programs == ("java",)}
    assert needs_java == {"ScienceWorld-v0", "TextWorldExpress-v0"}


def test_a_missing_backend_is_seen_without_importing_anything():
    entry = CATALOGUE[0]
    missing = type(entry)("X-v0", ".x:X", "does nothing", "x", ("no_such_module_anywhere",))
    assert not missing.is_installed

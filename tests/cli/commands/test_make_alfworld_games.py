"""`rllib make-alfworld-games`: writes games that the environment plays, and refuses bad options."""

import json

from support.backends import needs_alfworld

from rllib_gigpo.cli.main import main
from rllib_gigpo.envs.alfworld.alfworld_env import ALFWorldEnv

pytestmark = needs_alfworld

TYPES = ["pick_and_place_simple", "look_at_obj_in_light"]


def test_it_writes_splits_that_the_environment_plays(tmp_path, capsys):
    output = tmp_path / "games"
    sizes = ["--num-train", "3", "--num-valid", "1"]
    argv = ["make-alfworld-games", "--output", str(output), *sizes, "--task-types", *TYPES]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert out == f"{output}\n"
    assert "train 3/3  pick_and_place_simple-" in err
    assert "valid_unseen 1/1  pick_and_place_simple-" in err

    games = sorted(output.glob("json_2.1.1/*/*/*/game.tw-pddl"))
    splits = [game.relative_to(output).parts[1] for game in games]
    assert splits == ["train", "train", "train", "valid_seen", "valid_unseen"]
    for game in games:
        trajectory = json.loads(game.with_name("traj_data.json").read_text())
        assert trajectory["task_type"] in TYPES
        assert (
            game.with_name("initial_state.pddl").read_text()
            == (json.loads(game.read_text())["pddl_problem"])
        )

    env = ALFWorldEnv(output, split="train", test_split="valid_unseen")
    tasks = [env.reset(seed=seed)[1]["task"] for seed in range(4)]
    assert tasks[0] == tasks[3]
    unseen = [env.reset(seed=2**20 + seed)[0] for seed in range(2)]
    assert unseen[0] == unseen[1]
    env.close()


def test_numbers_that_make_no_games_are_refused(tmp_path, capsys):
    argv = ["make-alfworld-games", "--output", str(tmp_path), "--num-train", "0"]
    assert main([*argv, "--num-valid", "0"]) == 2
    assert "--num-train 0 and --num-valid 0 make no games" in capsys.readouterr().err


def test_an_output_that_is_no_folder_is_told_in_one_line(tmp_path, capsys):
    output = tmp_path / "file"
    output.touch()
    argv = ["make-alfworld-games", "--output", str(output), "--task-types", *TYPES]
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert f"--output {output} cannot be written (Not a directory); choose another folder" in err


def test_an_unknown_task_type_is_refused(tmp_path, capsys):
    argv = ["make-alfworld-games", "--output", str(tmp_path), "--task-types", "juggle"]
    assert main(argv) == 2
    assert "juggle: unknown; choose from pick_and_place_simple," in capsys.readouterr().err


def test_without_alfworld_the_error_names_the_extra(tmp_path, capsys, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["make-alfworld-games", "--output", str(tmp_path)]) == 2
    assert 'pip install "rllib-gigpo[alfworld]"' in capsys.readouterr().err

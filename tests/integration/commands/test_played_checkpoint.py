"""`rllib play --checkpoint`: a checkpoint's model plays in the terminal."""

import pytest

from rllib_gigpo.cli.main import main
from rllib_gigpo.envs.corridor import CorridorEnv


@pytest.fixture(scope="module")
def checkpoint(ray_session, corridor_config, tmp_path_factory):
    algorithm = corridor_config().build_algo()
    folder = tmp_path_factory.mktemp("checkpoint")
    algorithm.save_to_path(str(folder))
    algorithm.stop()
    return folder


def test_a_checkpoint_plays_with_the_prompts_of_its_config(checkpoint, capsys):
    assert main(["play", "--checkpoint", str(checkpoint), "--seed", "5"]) == 0
    shown = capsys.readouterr().out
    assert "--- 1 ---" in shown
    assert "anchor     You stand at door" in shown
    assert "admissible 1:go left  2:go right" in shown
    assert "response   " in shown
    assert "<think>" not in shown  # the config's template and tags, not the command's defaults


def test_the_options_of_an_episode_act_on_a_checkpoint_too(checkpoint, capsys):
    options = ["--env-config", '{"length": 40, "max_steps": 90}', "--max-steps", "2"]
    template = ["--template", "{{ observation }} after {{ history | length }}"]
    bare = ["--history-length", "0"]
    assert main(["play", "--checkpoint", str(checkpoint), *options, *template, *bare]) == 0
    shown = capsys.readouterr().out
    assert "--- 2 ---" in shown
    assert "--- 3 ---" not in shown
    assert "of 40. after 0" in shown
    assert shown.count(" after 0") == 2
    assert main(["play", "--checkpoint", str(checkpoint), *options, *template]) == 0
    assert " after 1" in capsys.readouterr().out


def test_a_folder_without_a_checkpoint_is_an_error(tmp_path, capsys):
    assert main(["play", "--checkpoint", str(tmp_path)]) == 2
    assert "no checkpoint here" in capsys.readouterr().err


def test_an_environment_that_breaks_is_told_in_one_line(checkpoint, capsys, monkeypatch):
    def broken(self, action):
        raise OSError("the door is stuck")

    monkeypatch.setattr(CorridorEnv, "step", broken)
    assert main(["play", "--checkpoint", str(checkpoint), "--seed", "5"]) == 2
    shown = capsys.readouterr().err
    assert "Task 5 could not be played: rllib_gigpo.envs:Corridor-v0, seed 5, step 1" in shown
    assert "OSError: the door is stuck" in shown

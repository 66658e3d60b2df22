"""Commands print what a user can act on; `-v` shows the rest."""

import subprocess
import sys

import pytest

from rllib_gigpo.ray_advice import ADVICE

NOISE = [*ADVICE.values(), "NUMA", "Writing model shards", "Loading weights", "WARNING", "INFO"]


def run(*arguments):
    command = [sys.executable, "-m", "rllib_gigpo.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)


@pytest.fixture(scope="module")
def train(experiment, tmp_path_factory):
    """Return a function that trains two iterations, and returns what the command printed."""

    def train(*options):
        return run("train", "file", experiment, "--output", tmp_path_factory.mktemp("o"), *options)

    return train


def test_a_training_prints_its_iterations_and_what_comes_next(train):
    ended = train()
    assert ended.stderr == ""
    heads = [line.split()[0] for line in ended.stdout.splitlines()]
    assert heads[:2] == ["iteration", "iteration"]
    assert {"results", "evaluate", "continue", "look"} <= set(heads)
    assert [noise for noise in NOISE if noise in ended.stdout] == []


@pytest.mark.slow
def test_with_v_the_advice_is_shown(train):
    ended = train("-v")
    assert "Install gputil" in ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", [("evaluate",), ("play", "--checkpoint")])
def test_other_commands_are_quiet_too(command, trained):
    ended = run(*command, trained)
    assert ended.stderr == ""
    assert [noise for noise in NOISE if noise in ended.stdout] == []

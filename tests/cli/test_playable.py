"""The environment that a checkpoint is evaluated and played on."""

from types import SimpleNamespace

import pytest

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.cli.playing import playable


@pytest.fixture
def checkpoint(monkeypatch, tmp_path):
    """Pretend that a folder holds a checkpoint whose evaluation changes the environment."""
    config = GiGPOConfig().environment("rllib_gigpo.envs:Corridor-v0", env_config={"length": 3})
    config.evaluation(evaluation_config={"env_config": {"length": 9}, "num_test_tasks": 4})
    model = tmp_path / "learner_group" / "learner" / "rl_module"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    found = SimpleNamespace(path=tmp_path, report=lambda: None)
    monkeypatch.setattr(playable, "find_checkpoint", lambda path: found)
    monkeypatch.setattr(playable, "checkpoint_config", lambda path: config)
    return tmp_path


@pytest.mark.fault("case 3", promise="The command line plays evaluation's env_config, or its own.")
@pytest.mark.parametrize(
    ("options", "env", "env_config"),
    [
        ({}, "rllib_gigpo.envs:Corridor-v0", {"length": 9}),
        ({"env_config": {"length": 5}}, "rllib_gigpo.envs:Corridor-v0", {"length": 5}),
        ({"env": "rllib_gigpo.envs:FrozenLake-v0"}, "rllib_gigpo.envs:FrozenLake-v0", {}),
    ],
)
def test_the_options_win_over_evaluation_and_evaluation_over_training(
    checkpoint, options, env, env_config
):
    played = playable.find_playable(checkpoint, **options).config.evaluated()
    assert (played.env, played.env_config) == (env, env_config)
    assert played.num_test_tasks == 4

import argparse
import sys
from pathlib import Path

import pytest
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.cli.experiment import apply_settings, assignment, json_object, load_experiment
from rllib_gigpo.errors import ConfigError

CONFIG = """
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
config = AlgorithmConfig()
"""


def write(folder: Path, text: str, name: str = "experiment.py") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_an_experiment_is_its_config_its_stop_and_the_name_of_its_file(tmp_path: Path):
    file = write(tmp_path, CONFIG + 'stop = {"training_iteration": 3}')

    experiment = load_experiment(file)

    assert isinstance(experiment.config, AlgorithmConfig)
    assert experiment.stop == {"training_iteration": 3}
    assert experiment.name == "experiment"


def test_an_experiment_neither_replaces_a_module_of_its_name_nor_runs_its_main_block(
    tmp_path: Path,
):
    file = write(tmp_path, CONFIG + 'if __name__ == "__main__": raise SystemExit', "json.py")
    before = sys.modules["json"]

    load_experiment(file)

    assert sys.modules["json"] is before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "defines no `config`"),
        ("config = 1", "`config` must be an AlgorithmConfig, not int"),
        (CONFIG + "stop = 3", "`stop` must be a dict, not int"),
        (CONFIG + "tune_callbacks = [print]", "must be a list of `ray.tune.Callback`s"),
        (CONFIG + "tune_callbacks = 3", "must be a list of `ray.tune.Callback`s"),
    ],
)
def test_a_file_that_is_no_experiment_is_told_what_it_lacks(tmp_path: Path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_experiment(write(tmp_path, text))


def test_a_missing_file_and_a_file_that_is_not_python_are_errors(tmp_path: Path):
    with pytest.raises(ConfigError, match="no such file"):
        load_experiment(tmp_path / "nothing.py")
    with pytest.raises(ConfigError, match="not a Python file"):
        load_experiment(write(tmp_path, "", "experiment.yaml"))


def test_json_options_take_objects_only():
    assert json_object('{"a": {"b": 1}}') == {"a": {"b": 1}}
    with pytest.raises(argparse.ArgumentTypeError, match="is not JSON"):
        json_object("{a: 1}")
    with pytest.raises(argparse.ArgumentTypeError, match="not a JSON object"):
        json_object("[1]")


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("lr=1e-5", ("lr", 1e-5)),
        ("rule=grpo", ("rule", "grpo")),
        ("num_env_runners=2", ("num_env_runners", 2)),
        ("grad_clip=null", ("grad_clip", None)),
        ("share_gpu=true", ("share_gpu", True)),
        ("share_gpu=True", ("share_gpu", True)),
        ("grad_clip=None", ("grad_clip", None)),
        ('env_config={"a=b": 1}', ("env_config", {"a=b": 1})),
        ("policy_loss.name=cispo", ("policy_loss.name", "cispo")),
        ("kl.target=0.1", ("kl.target", 0.1)),
    ],
)
def test_an_assignment_reads_json_and_python_s_names_and_takes_the_rest_as_text(text, pair):
    assert assignment(text) == pair


def test_an_assignment_without_a_key_or_a_value_is_an_error():
    for text in ("lr", "=1"):
        with pytest.raises(argparse.ArgumentTypeError, match="KEY=VALUE"):
            assignment(text)


def test_a_dot_leads_into_a_nested_setting():
    config = GiGPOConfig().training(
        policy_loss={"name": "ppo", "dual_clip": 2.0}, kl={"horizon": 7}
    )

    pairs = ["policy_loss.clip_param_high=0.3", "kl.target=0.1", "penalties.overlong.weight=0.5"]
    apply_settings(config, [assignment(pair) for pair in pairs])

    assert config.policy_loss == {"name": "ppo", "dual_clip": 2.0, "clip_param_high": 0.3}
    assert (config.kl["target"], config.kl["horizon"]) == (0.1, 7)
    assert config.penalties["overlong"] == {"weight": 0.5}

    # The options of the previous loss are dropped.
    apply_settings(config, [assignment("policy_loss.name=cispo")])
    assert config.policy_loss == {"name": "cispo"}
    with pytest.raises(ConfigError, match=r"--set kll\.target: GiGPOConfig has no setting 'kll'"):
        apply_settings(config, [("kll.target", 0.1)])


def test_settings_change_the_config_and_unknown_ones_are_errors():
    config = AlgorithmConfig()

    apply_settings(config, [("lr", 0.5), ("num_env_runners", 3)])

    assert (config.lr, config.num_env_runners) == (0.5, 3)
    with pytest.raises(ConfigError, match="--set lrr: AlgorithmConfig has no setting"):
        apply_settings(config, [("lrr", 0.5)])

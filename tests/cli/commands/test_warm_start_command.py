"""`rllib warm-start`: its options become the settings, and it prints the folder."""

import argparse
from dataclasses import replace

import pytest

from rllib_gigpo.cli.commands import warm_start as command
from rllib_gigpo.errors import EnvContractError


def parse(*argv):
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return parser.parse_args(["warm-start", *argv])


def test_without_options_the_settings_have_their_own_defaults():
    from rllib_gigpo.warm_start import WarmStartSettings

    settings = command.settings_from(parse("--env", "Some-v0"))
    assert settings == WarmStartSettings(env="Some-v0", seeds=tuple(range(128)))


def test_the_help_states_the_settings_own_defaults(capsys):
    from rllib_gigpo.warm_start import WarmStartSettings

    with pytest.raises(SystemExit):
        parse("--help")
    text = " ".join(capsys.readouterr().out.split())
    tiny = WarmStartSettings(env="Some-v0", seeds=(0,))
    base = replace(tiny, base_model="dir")
    defaults = {
        "passes over the demonstrations": tiny.fit.num_epochs,
        "width of the tiny model": tiny.tiny_model.hidden_size,
        "transformer blocks of the tiny model": tiny.tiny_model.num_layers,
        "attention heads of the tiny model": tiny.tiny_model.num_heads,
        "maximum vocabulary size of the tiny model": tiny.tiny_model.vocab_size,
        "episodes per task": tiny.demonstrations.episodes_per_seed,
        "maximum steps per episode": tiny.demonstrations.max_episode_steps,
        "number of past turns in the prompt": tiny.prompting.history_length,
        "maximum tokens per prompt": tiny.prompting.max_prompt_tokens,
        "learning rate": f"{tiny.lr}; base model: {base.lr}",
        "tokens per optimiser step": tiny.batch_tokens,
        "which teaches a new model to copy": tiny.fit.prompt_loss_weight,
    }
    for meaning, default in defaults.items():
        assert f"{meaning} (default: {default})" in text


def test_options_reach_the_settings():
    argv = (
        "--env Some-v0 --first-train-task 10 --num-train-tasks 2 --base-model dir --seed 3 "
        "--template default --history-length 1 --action-tag action --think-tag think "
        "--random-label-probability 0 --num-epochs 7 --lr 0.1 --prompt-loss-weight 2 "
        "--hidden-size 64"
    )
    settings = command.settings_from(parse(*argv.split(), "--env-config", '{"level": 5}'))
    assert settings.seeds == (10, 11)
    assert settings.env_config == {"level": 5}
    assert (settings.base_model, settings.seed) == ("dir", 3)
    assert settings.prompting.template == "default"
    assert (settings.prompting.action_tag, settings.prompting.think_tag) == ("action", "think")
    assert settings.prompting.history_length == 1
    assert settings.demonstrations.random_label_probability == 0.0
    assert (settings.fit.num_epochs, settings.fit.lr) == (7, 0.1)
    assert settings.fit.prompt_loss_weight == 2.0
    assert settings.tiny_model.hidden_size == 64


def test_the_folder_is_printed_alone_on_stdout(tmp_path, capsys):
    output = tmp_path / "model"
    argv = (
        "--env rllib_gigpo.envs:Corridor-v0 --num-train-tasks 2 --num-epochs 1 --hidden-size 32 "
        f"--num-layers 1 --num-heads 1 --output {output} --cache-dir {tmp_path / 'cache'}"
    )
    assert command.run(parse(*argv.split())) == 0
    out, err = capsys.readouterr()
    assert out == f"{output}\n"
    assert "epoch 1/1" in err
    assert "demonstrated turns" in err
    assert (output / "model.safetensors").is_file()


def test_an_environment_without_an_expert_is_told_to_the_user(tmp_path):
    import gymnasium as gym

    class Silent(gym.Env):
        observation_space = action_space = gym.spaces.Text(10)

        def reset(self, *, seed=None, options=None):
            return "nothing", {}

    if "Silent-v0" not in gym.registry:
        gym.register("Silent-v0", entry_point=Silent, disable_env_checker=True)
    with pytest.raises(EnvContractError, match="names no expert action"):
        command.run(parse("--env", "Silent-v0", "--cache-dir", str(tmp_path)))

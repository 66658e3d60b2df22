"""Warm starts from a config, which then trains the fitted model."""

import pytest
from ray import tune

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.warm_start import (
    DemonstrationSettings,
    FitSettings,
    PromptSettings,
    read_report,
    settings_for,
)


@pytest.fixture
def config():
    return (
        GiGPOConfig.preset("gigpo-tiny")
        .environment("Signs-v0", env_config={"num_steps": 3})
        .tasks(num_train_tasks=5, first_train_task=7, max_episode_steps=9)
    )


def test_environment_tasks_and_prompts_are_those_of_the_config(config):
    config.llm(system_prompt="Be brief.", chat_template_kwargs={"enable_thinking": False})
    settings = settings_for(config)
    assert (settings.env, settings.env_config) == ("Signs-v0", {"num_steps": 3})
    assert settings.seeds == (7, 8, 9, 10, 11)
    assert settings.demonstrations.max_episode_steps == 9
    assert settings.prompting == PromptSettings(
        template="compact",
        history_length=3,
        max_prompt_tokens=256,
        system_prompt="Be brief.",
        chat_template_kwargs={"enable_thinking": False},
    )


def test_settings_may_be_given_as_dicts(config):
    settings = settings_for(
        config,
        demonstrations={"episodes_per_seed": 2},
        tiny_model={"num_layers": 1},
        fit={"num_epochs": 3},
    )
    assert settings.demonstrations == DemonstrationSettings(
        episodes_per_seed=2, max_episode_steps=9
    )
    assert settings.tiny_model.num_layers == 1
    assert settings.fit == FitSettings(num_epochs=3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"fit": {"num_epoch": 3}},
            "fit has no setting 'num_epoch'; it has num_epochs, .*; did you mean 'num_epochs'",
        ),
        ({"demonstrations": 5}, "demonstrations=5 must be a dict or a DemonstrationSettings"),
    ],
)
def test_unknown_settings_are_an_error_that_names_the_nearest(config, given, message):
    with pytest.raises(ConfigError, match=message):
        settings_for(config, **given)


def test_what_is_given_goes_before(config):
    demonstrations = DemonstrationSettings(episodes_per_seed=2)
    settings = settings_for(
        config,
        env_config={"has_expert": True},
        demonstrations=demonstrations,
        fit=FitSettings(num_epochs=1),
    )
    assert settings.env_config == {"num_steps": 3, "has_expert": True}
    assert settings.demonstrations == demonstrations
    assert settings.fit.num_epochs == 1
    assert config.env_config == {"num_steps": 3}


def test_the_config_gets_the_model(config, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    config.warm_start(fit=FitSettings(num_epochs=1))
    assert config.model_path.startswith(str(tmp_path))
    assert read_report(config.model_path).num_demonstrations == 5 * 3
    config.validate()


def test_all_that_a_warm_start_cannot_do_is_said_at_once(config):
    config.environment(lambda env_config: None).tasks(num_train_tasks=None)
    config.prompting(observation_to_text=str)
    with pytest.raises(ConfigError) as caught:
        config.warm_start()
    for part in ("pass env=id", "num_train_tasks is not set", "observation_to_text is set"):
        assert part in str(caught.value)


def test_a_wrong_setting_is_an_error_before_the_fit(config, monkeypatch):
    config.training(penalties={"format": -0.1})
    with pytest.raises(ConfigError, match=r"penalties\.format=-0\.1 must be at least 0"):
        config.warm_start()
    fitted = []
    monkeypatch.setattr("rllib_gigpo.warm_start.warm_start", lambda *_, **__: fitted.append(1))
    config.training(penalties={}, step_weight=tune.grid_search([0.5, -1.0])).warm_start()
    assert fitted == [1]


def test_another_environment_gets_its_own_settings_only(config):
    config.environment("rllib_gigpo.envs:OpenEnv-v0", env_config={"url": "http://127.0.0.1:8000"})
    settings = settings_for(config, env="Signs-v0", env_config={"num_steps": 2})
    assert (settings.env, settings.env_config) == ("Signs-v0", {"num_steps": 2})

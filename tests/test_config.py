"""GiGPOConfig: defaults, setters, and every mistake reported at once with its cure."""

import re

import pytest
from ray import tune

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.errors import ConfigError


@pytest.fixture
def model_folder(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


@pytest.fixture
def config(model_folder):
    return (
        GiGPOConfig().environment("rllib_gigpo.envs:Corridor-v0").llm(model_path=str(model_folder))
    )


def mistakes(config):
    with pytest.raises(ConfigError) as caught:
        config.validate()
    return str(caught.value)


def test_a_config_with_environment_and_model_is_valid(config):
    config.validate()


def test_defaults_are_those_of_the_published_scripts():
    config = GiGPOConfig()
    published = {
        "group_size": 8,
        "num_groups": 16,
        "gamma": 0.95,
        "step_weight": 1.0,
        "episode_weight": 1.0,
        "clip_param": 0.2,
        "kl_coeff": 0.01,
        "entropy_coeff": 0.001,
        "lr": 1e-6,
        "weight_decay": 0.01,
        "grad_clip": 1.0,
        "num_epochs": 1,
        "max_prompt_tokens": 2048,
        "max_response_tokens": 512,
        "history_length": 2,
        "temperature": 1.0,
        "eval_temperature": 0.4,
        "max_episode_steps": 50,
    }
    assert {name: getattr(config, name) for name in published} == published


def test_all_mistakes_are_reported_at_once(config):
    config.training(group_size=1, num_groups=0, gamma=1.5, step_weight=0.0, episode_weight=0.0)
    text = mistakes(config)
    for part in ("group_size=1", "num_groups=0", "gamma=1.5", "step_weight and episode_weight"):
        assert part in text


def test_a_group_of_one_is_refused_with_the_reason(config):
    assert "nobody to be compared with" in mistakes(config.training(group_size=1))


def test_a_missing_and_an_unknown_model_folder_say_what_to_give(config, tmp_path):
    config.llm(model_path=None)
    assert "rllib warm-start" in mistakes(config)
    config.llm(model_path=str(tmp_path / "nowhere"))
    assert "nowhere" in mistakes(config)
    assert "never downloaded" in mistakes(config)


def test_prompts_longer_than_the_models_context_are_refused(config, model_folder):
    (model_folder / "config.json").write_text('{"max_position_embeddings": 1024}')
    assert "need a context of 2560 tokens, but the model's has 1024" in mistakes(config)
    config.llm(max_prompt_tokens=1000, max_response_tokens=24).validate()


def test_a_broken_model_config_is_named(config, model_folder):
    (model_folder / "config.json").write_text("{")
    assert "cannot be read as JSON" in mistakes(config)


def test_a_misspelt_setting_is_found_even_when_tune_sets_it_silently(config):
    config.step_wieght = 0.5
    assert "did you mean 'step_weight'?" in mistakes(config)


def test_a_misspelt_argument_of_a_setter_raises_at_once(config):
    with pytest.raises(TypeError, match="step_wieght"):
        config.training(step_wieght=0.5)


def test_settings_of_rllib_that_do_nothing_here_are_mistakes(config):
    config.env_runners(num_envs_per_env_runner=4)
    config.training(minibatch_size=64)
    text = mistakes(config)
    assert "num_envs_per_env_runner=4 has no effect" in text
    assert "num_minibatches" in text


def test_training_and_test_tasks_must_not_meet(config):
    config.tasks(num_train_tasks=100, first_test_task=50)
    assert "training tasks 0..99 and test tasks 50..177 meet" in mistakes(config)


def test_sampling_parameters_that_the_learner_cannot_follow_are_refused(config):
    config.inference(temperature=0.7, top_p=0.9, top_k=5)
    text = mistakes(config)
    for part in ("temperature=0.7", "top_p=0.9", "top_k=5"):
        assert part in text


def test_an_unknown_estimator_lists_the_known_ones(config):
    text = mistakes(config.training(estimator="gigp"))
    assert "gigpo" in text
    assert "grpo" in text


def test_a_decaying_schedule_needs_its_end(config):
    assert "lr_decay_iterations" in mistakes(config.training(lr_schedule="cosine"))


def test_setters_take_search_spaces_and_tune_resolves_them(config):
    config.training(step_weight=tune.grid_search([0.0, 0.5, 1.0]), lr=tune.loguniform(1e-6, 1e-4))
    space = config.to_dict()
    assert space["step_weight"] == {"grid_search": [0.0, 0.5, 1.0]}


def test_a_config_survives_the_dict_that_tune_makes_of_it(config):
    config.training(step_weight=0.5, group_size=4).prompting(history_length=7)
    again = GiGPOConfig().update_from_dict(config.to_dict())
    again.validate()
    assert (again.step_weight, again.group_size, again.history_length) == (0.5, 4, 7)
    assert again.model_path == config.model_path


def test_env_workers_are_counted_in_the_resource_request(config):
    config.env_runners(num_env_runners=2, num_env_workers=3, num_cpus_per_env_worker=0.5)
    request = config.algo_class.default_resource_request(config)
    assert request.required_resources["CPU"] == 1 + 2 + 2 * 3 * 0.5


def test_a_frozen_config_cannot_be_changed(config):
    config.freeze()
    with pytest.raises(AttributeError, match="frozen"):
        config.training(step_weight=0.5)


@pytest.mark.parametrize("name", ["dual_clip", "anchor_threshold", "grad_clip", "eval_top_p"])
def test_what_is_no_number_is_a_mistake_and_no_crash(config, name):
    setattr(config, name, "off")
    assert f"{name}='off' must be a number" in mistakes(config)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.5, 1.5])
def test_an_anchor_threshold_outside_0_to_1_is_a_mistake(config, threshold):
    config.training(anchor="similar", anchor_threshold=threshold)
    assert f"anchor_threshold={threshold} must lie inside (0, 1)" in mistakes(config)


def test_no_episode_at_a_time_is_a_mistake(config):
    config.inference(max_concurrent_episodes=0)
    assert "max_concurrent_episodes=0 must be at least 1" in mistakes(config)


def test_environment_workers_may_have_threads(config):
    config.env_runners(num_env_workers=2, num_env_threads=4)
    config.validate()


def test_a_decay_that_ends_within_the_warm_up_is_a_mistake(config):
    config.training(lr_schedule="cosine", lr_warmup_iterations=10, lr_decay_iterations=10)
    assert "must be above lr_warmup_iterations=10" in mistakes(config)


def test_an_engine_on_a_gpu_of_the_learner_that_nobody_counts_is_a_mistake(config):
    config.learners(num_learners=0, num_gpus_per_learner=1)
    assert "share_gpu=True" in mistakes(config)
    config.learners(num_learners=2)
    assert "num_env_runners=1" in mistakes(config)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"estimator": "grpo", "step_weight": 0.5}, "step_weight=0.5 has no effect.*gigpo"),
        ({"estimator": "gigpo", "gae_lambda": 0.5}, "gae_lambda=0.5 has no effect.*anchor_gae"),
        ({"estimator": "rloo", "normalize_by_std": True}, "normalize_by_std=True has no effect"),
        ({"estimator": "grpo", "anchor": "similar"}, "anchor='similar' has no effect"),
        ({"estimator": "grpo", "format_penalty": 0.1}, "set penalty_mode='row'"),
        ({"reward_normalization": {"method": "median"}}, "method='median' is unknown"),
        ({"penalty_mode": "score"}, 'set episode_baseline="step"'),
        ({"estimator": "gigpoo"}, "known are anchor_gae, gigpo"),
    ],
)
def test_what_the_estimator_would_ignore_or_refuse_is_a_mistake(config, settings, message):
    assert re.search(message, mistakes(config.training(**settings)))


def test_settings_of_the_chosen_estimator_and_the_discount_are_no_mistakes(config):
    config.training(estimator="grpo", gamma=1.0, format_penalty=0.1, penalty_mode="row").validate()
    config.training(estimator=len, format_penalty=0.0, penalty_mode="return").validate()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"policy_loss": "gspo"}, "dual_clip has no effect with policy_loss='gspo'"),
        ({"policy_loss": "gspo", "dual_clip": None}, "loss_aggregation='seq_mean_token_mean'"),
        ({"policy_loss": "a2c"}, "policy_loss='a2c' is not one of 'ppo', 'gspo', 'cispo'"),
        ({"kl_estimator": "k4"}, "kl_estimator='k4' is not one of"),
        ({"kl_target": 0.1, "kl_coeff": 0.0}, "needs a kl_coeff above 0"),
        ({"importance_sampling": "token"}, "set old_logp='recompute'"),
        ({"overlong_buffer_tokens": 600}, "must not be above max_response_tokens=512"),
        ({"dynamic_sampling": True, "max_resamples": 0}, "max_resamples=0"),
    ],
)
def test_settings_of_the_loss_that_do_not_go_together_are_mistakes(config, settings, message):
    assert message in mistakes(config.training(**settings))


@pytest.mark.parametrize(
    ("lora", "message"),
    [
        ({"r": 8}, "rank, alpha, target_modules"),
        ({"rank": 0}, "lora: rank=0 must be a whole number of at least 1"),
        ({"sync": "disk"}, "lora: sync='disk' must be one of merged, adapter"),
        ({"sync": "adapter", "rank": 513}, "lora: rank=513 is too much for sync='adapter'"),
        (8, "lora=8 must be a dict"),
    ],
)
def test_a_bad_lora_setting_is_a_mistake(config, lora, message):
    assert message in mistakes(config.llm(lora=lora))


def test_ppo_without_a_critic_and_a_critic_without_ppo_are_mistakes(config):
    assert "needs a critic: set critic='head'" in mistakes(config.training(estimator="ppo"))
    config.training(estimator="ppo", critic="model", vf_clip_param=0.0)
    assert "vf_clip_param=0.0 must be above 0" in mistakes(config)
    config.training(estimator="gigpo", vf_clip_param=0.5)
    assert "critic='model' has no effect with estimator='gigpo'" in mistakes(config)

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
    text = mistakes(config.training(group_size=1))
    assert "nobody to be compared with" in text
    assert "a rule that compares no groups (ppo, reinforce_pp)" in text
    config.training(estimator="support.own_rules:own_rule")
    assert "nobody to be compared with" in mistakes(config)


@pytest.mark.parametrize(
    "settings",
    [
        {"estimator": "ppo", "critic": "head"},
        {"estimator": "reinforce_pp"},
        {"estimator": "step_reinforce", "reward_normalization": {"grouping": "batch"}},
        {"estimator": "step_reinforce", "reward_normalization": {"method": "identity"}},
        {"estimator": "grpo", "reward_normalization": {"grouping": "tags"}},
        {"estimator": "support.own_rules:AloneIsFine"},
    ],
)
def test_a_group_may_be_one_where_nothing_is_compared_within_it(config, settings):
    config.training(group_size=1, **settings).validate()


@pytest.mark.parametrize(
    "settings",
    [
        *({"estimator": name} for name in ("gigpo", "grpo", "rloo", "hgpo", "anchor_gae")),
        {"estimator": "reinforce_pp", "return_baseline": "group"},
        {"estimator": "step_reinforce"},
        {"estimator": "gigpo", "reward_normalization": {"grouping": "batch"}},
    ],
)
def test_a_group_of_one_is_refused_where_rows_of_a_task_are_compared(config, settings):
    assert "nobody to be compared with" in mistakes(config.training(group_size=1, **settings))


def test_groups_of_one_cannot_be_sampled_until_they_differ(config):
    config.training(estimator="reinforce_pp", group_size=1, dynamic_sampling=True)
    assert "which all groups of group_size=1 do" in mistakes(config)


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


@pytest.mark.parametrize(
    ("setter", "options", "message"),
    [
        ("training", {"step_wieght": 0.5}, "no option 'step_wieght'; did you mean 'step_weight'"),
        ("training", {"grad_clp": 1.0}, "did you mean 'grad_clip'"),  # RLlib's own
        ("env_runners", {"num_env_worker": 2}, "did you mean 'num_env_workers'"),
        ("llm", {"model": "folder"}, "did you mean 'model_path'"),
        ("transcripts", {"xyz": 1}, r"no option 'xyz'\n.*help\(GiGPOConfig.transcripts\) lists"),
    ],
)
@pytest.mark.parametrize("caught_as", [TypeError, ConfigError])
def test_an_unknown_option_of_a_setter_names_the_nearest(
    config, setter, options, message, caught_as
):
    with pytest.raises(caught_as, match=message):
        getattr(config, setter)(**options)


def test_setters_take_rllibs_own_options_too(config):
    config.training(grad_clip=0.5, num_epochs=2).env_runners(num_env_runners=1, num_env_workers=2)
    assert (config.grad_clip, config.num_epochs) == (0.5, 2)
    assert (config.num_env_runners, config.num_env_workers) == (1, 2)


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
        ({"estimator": "grpo", "episode_weight": 0.0}, "episode_weight of 0 would make every"),
        ({"estimator": "hgpo", "penalty_mode": "score"}, "choose one of .'return', 'row'"),
        ({"estimator": "hgpo", "normalize_by_std": "mean"}, "normalize_by_std='mean' must be True"),
        (
            {"estimator": "support.own_rules:own_rule", "penalty_mode": "score"},
            "no field of this name, so that 'score' would be 'row'",
        ),
        (
            {
                "estimator": "support.own_rules:AloneIsFine",
                "format_penalty": 0.1,
                "penalty_mode": "row",
            },
            "format_penalty=0.1 has no effect.*`needs` do not name PENALTIES",
        ),
        (
            {"estimator": "support.own_rules:ReturnsOnly", "penalty_mode": "row"},
            "penalty_mode='row' has no effect.*neither STEP_RETURNS nor PENALTIES",
        ),
    ],
)
def test_what_the_estimator_would_ignore_or_refuse_is_a_mistake(config, settings, message):
    assert re.search(message, mistakes(config.training(**settings)))


def test_weights_of_another_rule_are_not_said_to_be_all(config):
    config.training(estimator="step_reinforce", step_weight=0.0, episode_weight=0.0)
    assert "every advantage" not in mistakes(config)


@pytest.mark.parametrize("rule", ["own_rule", "AloneIsFine"])
def test_an_own_rule_may_have_penalties_in_the_row(config, rule):
    config.training(estimator=f"support.own_rules:{rule}", penalty_mode="row").validate()


# Settings that are read under one condition: the setting, what makes it ignored, what reads it.
READ_WHEN = [
    ({"critic_lr": 1e-3}, {"estimator": "gigpo"}, {"estimator": "ppo", "critic": "head"}),
    ({"vf_loss_coeff": 0.5}, {"estimator": "grpo"}, {"estimator": "ppo", "critic": "model"}),
    ({"vf_clip_param": None}, {"estimator": "rloo"}, {"estimator": "ppo", "critic": "head"}),
    ({"critic_lr": 1e-3}, {"critic": None, "estimator": len}, {"critic": "head"}),
    ({"critic": "head"}, {"estimator": "gigpo"}, {"estimator": "ppo"}),
    ({"return_baseline": "group"}, {"estimator": "gigpo"}, {"estimator": "reinforce_pp"}),
    ({"anchor": "similar"}, {"estimator": "rloo"}, {"estimator": "anchor_gae"}),
    ({"anchor_threshold": 0.8}, {"anchor": "exact"}, {"anchor": "similar"}),
    ({"anchor_ratio": "difflib"}, {"anchor": len}, {"anchor": "similar"}),
    ({"anchor_within_trajectory": False}, {"estimator": "grpo"}, {"estimator": "hgpo"}),
    ({"format_penalty": 0.1}, {"estimator": "grpo"}, {"penalty_mode": "row"}),
    ({"importance_sampling": "token"}, {"old_logp": "rollout"}, {"old_logp": "recompute"}),
    (
        {"importance_cap": 4.0},
        {"importance_sampling": None},
        {"importance_sampling": "token", "old_logp": "recompute"},
    ),
    (
        {"importance_mask": True},
        {"importance_sampling": None},
        {"importance_sampling": "sequence", "old_logp": "recompute"},
    ),
    ({"kl_horizon": 100}, {"kl_target": None}, {"kl_target": 0.1}),
    ({"kl_target": 0.1}, {"kl_coeff": 0.0}, {"kl_coeff": 0.1}),
    ({"max_resamples": 5}, {"dynamic_sampling": False}, {"dynamic_sampling": True}),
    ({"overlong_penalty": 0.5}, {"overlong_buffer_tokens": 0}, {"overlong_buffer_tokens": 64}),
    (
        {"lr_final_fraction": 0.1},
        {"lr_schedule": "constant"},
        {"lr_schedule": "cosine", "lr_decay_iterations": 9},
    ),
    ({"lr_decay_iterations": 9}, {"lr_schedule": "constant"}, {"lr_schedule": "linear"}),
    ({"weight_decay": 0.1}, {"optimizer_name": "sgd"}, {"optimizer_name": "adamw"}),
    ({"adam_betas": (0.9, 0.99)}, {"optimizer_name": "sgd"}, {"optimizer_name": "adamw"}),
    ({"adam_eps": 1e-6}, {"optimizer_name": "sgd"}, {"optimizer_name": "adamw"}),
]


@pytest.mark.parametrize(("setting", "ignored_with", "read_with"), READ_WHEN)
def test_a_setting_that_nothing_reads_is_a_mistake(config, setting, ignored_with, read_with):
    (name,), (decider, *_) = setting, ignored_with
    default = getattr(config, name)
    text = mistakes(config.training(**setting, **ignored_with))
    assert re.search(rf"{name}=.* has no effect with .*{decider}=", text)
    assert f"leave {name} at its default, {default!r}" in text
    config.training(**read_with).validate()


@pytest.mark.parametrize("ignored_with", [ignored_with for _, ignored_with, _ in READ_WHEN])
def test_what_stands_at_its_default_is_never_said_to_be_ignored(config, ignored_with):
    config.training(**ignored_with, adam_betas=[0.9, 0.999]).validate()


def test_a_search_over_the_divergence_may_include_none(config):
    config.training(kl_coeff=0.0, kl_estimator="k1", kl_placement="reward").validate()


def test_a_preset_under_another_rule_says_all_that_is_left_over(config):
    preset = GiGPOConfig.preset("ppo").environment(config.env).llm(model_path=config.model_path)
    text = mistakes(preset.training(estimator="gigpo", critic_lr=1e-4))
    for part in ("critic='model'", "critic_lr=0.0001", "gae_lambda=1.0"):
        assert f"{part} has no effect with estimator='gigpo': it belongs to" in text
    assert "leave critic at its default, None" in text
    assert "group_size=1 leaves an episode with nobody" in text


@pytest.mark.parametrize(
    "name",
    [
        "whiten_advantages",
        "anchor_within_trajectory",
        "overlong_filter",
        "dynamic_sampling",
        "gradient_checkpointing",
        "require_think",
    ],
)
@pytest.mark.parametrize("value", ["no", 0, None])
def test_a_switch_is_true_or_false(config, name, value):
    setattr(config, name, value)
    assert f"{name}={value!r} must be True or False" in mistakes(config)


def test_the_switches_of_one_rule_or_loss_are_true_or_false_too(config):
    config.training(estimator="hgpo", episode_term="yes", importance_mask="no")
    text = mistakes(config)
    assert "episode_term='yes' must be True or False" in text
    assert "importance_mask='no' must be True or False" in text


@pytest.mark.parametrize(("loss", "clip"), [("ppo", 1.5), ("ppo", 1.0), ("cispo", 1.5)])
def test_a_clip_without_a_lower_bound_is_a_mistake(config, loss, clip):
    config.training(policy_loss=loss, clip_param=clip)
    assert f"clip_param={clip} with policy_loss='{loss}'" in mistakes(config)


def test_cispo_may_have_no_lower_bound(config):
    config.training(policy_loss="cispo", clip_param=1.0, clip_param_high=0.2, dual_clip=None)
    config.validate()


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

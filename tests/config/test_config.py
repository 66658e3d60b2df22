"""GiGPOConfig finds all mistakes at once, each with its fix."""

import re

import pytest

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting import ActionParser


def test_a_config_with_environment_and_model_is_valid(config):
    config.validate()


# ------------------------------------------------------------------ mistakes


def test_all_mistakes_are_reported_at_once(config, mistakes):
    config.training(group_size=1, num_groups=0, gamma=1.5, step_weight=0.0, episode_weight=0.0)
    text = mistakes(config)
    for part in ("group_size=1", "num_groups=0", "gamma=1.5", "step_weight and episode_weight"):
        assert part in text


def test_an_unknown_engine_is_a_mistake_before_anything_starts(config, mistakes):
    text = mistakes(config.inference(engine="vlm"))
    assert "engine='vlm' is unknown: use one of ['transformers', 'vllm'], or" in text
    assert "did you mean 'vllm'?" in text


def test_a_topic_is_not_taken_for_a_setting(config, mistakes):
    text = mistakes(config.training(rule={"name": "gigpo", "loss": 1}))
    assert "has no option 'loss'" in text
    assert "separate setting" not in text


def test_a_mistake_of_type_hides_no_other(config, mistakes):
    config.training(
        num_groups=None,  # a wrong type in one section
        lr="fast",  # a wrong type in another section
        rule={"name": "gigpo", "normalize_by_std": "mean"},  # a wrong type of an option
        step_weight=0.0,  # a conflict in the section of the first mistake
        episode_weight=0.0,
        kl_coeff=0.0,  # a conflict in a third section
        kl={"target": 0.1},
    ).tasks(num_train_tasks=100, first_test_task=50)
    text = mistakes(config)
    for part in (
        "num_groups=None must be a whole number",
        "lr='fast' must be a number",
        "rule.normalize_by_std='mean' must be True or False",
        "kl.target=0.1 has no effect",
        "training tasks 0..99 and test tasks 50..177 overlap",
        "has 5 mistakes:",
    ):
        assert part in text


def test_what_is_wrong_alone_takes_part_in_no_check_between_settings(config, mistakes):
    assert "multiple" not in mistakes(config.tasks(num_train_tasks=7, task_period=0))


@pytest.mark.parametrize("rule", ["gigpo", "grpo", "support.own_rules:own_rule"])
def test_a_group_of_one_is_refused_with_the_reason(config, rule, mistakes):
    assert "leaves no episode to compare with" in mistakes(config.training(group_size=1, rule=rule))


@pytest.mark.parametrize(
    "settings",
    [
        {"rule": "ppo", "critic": "head"},
        {"rule": "reinforce_pp"},
        {"rule": {"name": "step_reinforce", "reward_normalization": {"grouping": "batch"}}},
        {"rule": {"name": "step_reinforce", "reward_normalization": {"method": "identity"}}},
        {"rule": {"name": "grpo", "reward_normalization": {"grouping": "tags"}}},
        {"rule": "support.own_rules:AloneIsFine"},
    ],
)
def test_a_group_may_be_one_where_nothing_is_compared_within_it(config, settings):
    config.training(group_size=1, **settings).validate()


@pytest.mark.parametrize(
    "rule",
    [
        *("gigpo", "gigpo_verl_agent", "grpo", "rloo", "hgpo", "anchor_gae", "step_reinforce"),
        {"name": "reinforce_pp", "return_baseline": "group"},
        {"name": "gigpo", "reward_normalization": {"grouping": "batch"}},
    ],
)
def test_a_group_of_one_is_refused_where_rows_of_a_task_are_compared(config, rule, mistakes):
    assert "no episode to compare with" in mistakes(config.training(group_size=1, rule=rule))


def test_groups_of_one_cannot_be_sampled_until_they_differ(config, mistakes):
    config.training(rule="reinforce_pp", group_size=1, dynamic_sampling=True)
    assert "groups of group_size=1, whose returns are equal" in mistakes(config)


def test_a_missing_and_an_unknown_model_folder_say_what_to_give(config, tmp_path, mistakes):
    config.llm(model_path=None)
    assert "rllib warm-start" in mistakes(config)
    config.llm(model_path=str(tmp_path / "nowhere"))
    assert "nowhere" in mistakes(config)
    assert "never downloaded" in mistakes(config)


def test_prompts_longer_than_the_models_context_are_refused(config, model_folder, mistakes):
    (model_folder / "config.json").write_text('{"max_position_embeddings": 1024}')
    text = mistakes(config)
    assert "need a context of 2560 tokens" in text
    assert "the model has 1024" in text
    config.llm(max_prompt_tokens=1000, max_response_tokens=24).validate()


def test_a_broken_model_config_is_named(config, model_folder, mistakes):
    (model_folder / "config.json").write_text("{")
    assert "cannot be read as JSON" in mistakes(config)


def test_a_misspelt_setting_is_found_even_when_tune_sets_it_silently(config, mistakes):
    config.step_wieght = 0.5
    assert "did you mean 'step_weight'?" in mistakes(config)


@pytest.mark.parametrize(
    ("setter", "options", "message"),
    [
        ("training", {"step_wieght": 0.5}, "no option 'step_wieght'; did you mean 'step_weight'"),
        ("training", {"grad_clp": 1.0}, "did you mean 'grad_clip'"),  # RLlib's own
        ("env_runners", {"num_env_worker": 2}, "did you mean 'num_env_workers'"),
        ("llm", {"model": "folder"}, "did you mean 'model_path'"),
        ("reporting", {"xyz": 1}, r"no option 'xyz'\n.*help\(GiGPOConfig.reporting\) lists"),
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


def test_settings_of_rllib_that_do_nothing_here_are_mistakes(config, mistakes):
    config.env_runners(num_envs_per_env_runner=4)
    config.training(minibatch_size=64)
    text = mistakes(config)
    assert "num_envs_per_env_runner=4 has no effect" in text
    assert "num_minibatches" in text


def test_training_and_test_tasks_must_not_meet(config, mistakes):
    config.tasks(num_train_tasks=100, first_test_task=50)
    assert "training tasks 0..99 and test tasks 50..177 overlap" in mistakes(config)


def test_passes_hold_as_many_tasks_of_every_kind(config, mistakes):
    config.tasks(num_train_tasks=10, task_period=4)
    assert "num_train_tasks=10 must be a multiple of task_period=4; set it to 8" in mistakes(config)
    config.tasks(num_train_tasks=12).validate()


@pytest.mark.parametrize(
    ("section", "settings", "message"),
    [
        ("training", {"rule": "gigp"}, "did you mean 'gigpo'"),
        ("training", {"policy_loss": "a2c"}, "policy_loss='a2c' is unknown.*cispo, gspo, ppo"),
        ("training", {"kl": {"estimator": "k4"}}, "kl.estimator='k4' is not one of"),
        ("training", {"kl": {"placement": "critic"}}, "kl.placement='critic' is not one of"),
        ("training", {"kl": "critic"}, "kl.placement='critic' is not one of 'loss' or 'reward'"),
        ("training", {"kl": {"targt": 0.1}}, "kl.targt is not an option; did you mean 'target'"),
        ("training", {"kl": {"target": -1.0}}, "kl.target=-1.0 must be above 0"),
        ("training", {"optim": {"weight_decay": -1.0}}, "optim.weight_decay=-1.0 must be at least"),
        ("training", {"optim": {"name": "sgd", "eps": 1e-6}}, "'sgd' has no option 'eps'"),
        ("training", {"lr_schedule": "cosine"}, "lr_schedule.decay_iterations.* no default"),
        (
            "training",
            {"lr_schedule": {"name": "linear", "warmup_iterations": 9, "decay_iterations": 9}},
            "lr_schedule.decay_iterations=9 includes the warm-up",
        ),
        ("training", {"advantages": {"clip": 0.0}}, "advantages.clip=0.0 must be above 0"),
        ("training", {"critic": "tail", "rule": "ppo"}, "critic.name='tail' is not one of"),
        ("training", {"importance_sampling": "row"}, "importance_sampling.level='row'"),
        ("training", {"dynamic_sampling": {"max_resamples": 0}}, "max_resamples=0 must be at"),
        ("training", {"penalties": {"format": -0.1}}, "penalties.format=-0.1 must be at least 0"),
        ("training", {"penalties": {"overlong": {}}}, "penalties.overlong.buffer_tokens.*default"),
        (
            "training",
            {"penalties": {"overlong": {"buffer_tokens": 600}}},
            "overlong.buffer_tokens=600 must not be above max_response_tokens=512",
        ),
        ("training", {"penalties": {"mode": "score"}}, "penalties.mode='score' is not one of"),
        ("training", {"loss_aggregation": "seq_sum_norm"}, "loss_aggregation.constant.*default"),
        ("training", {"loss_aggregation": "sum"}, "loss_aggregation='sum' is unknown"),
        ("training", {"anchor": {"name": "similar", "threshold": 1.0}}, "anchor.threshold=1.0"),
        ("training", {"anchor": {"threshold": 0.8}}, "'exact' has no option 'threshold'"),
        ("training", {"policy_loss": {"dual_clip": 0.5}}, "policy_loss.dual_clip=0.5 must be abov"),
        ("training", {"policy_loss": "gspo"}, "loss_aggregation='seq_mean_token_mean'"),
        ("training", {"clip_param": 1.5}, r"\. clip_param=1.5 must be in"),
        ("training", {"policy_loss": "cispo", "clip_param": 1.5}, "clip_param=1.5 must be in"),
        ("training", {"grad_clip": "off"}, "grad_clip='off' must be a number or None"),
        ("training", {"lr": float("nan")}, "lr=nan must be a finite number"),
        ("inference", {"eval_sampling": {"top_p": 0.0}}, "eval_sampling.top_p=0.0 must be above"),
        ("inference", {"max_concurrent_episodes": 0}, "max_concurrent_episodes=0 must be above 0"),
        ("llm", {"dtype": "float16"}, "dtype='float16' is not one of 'float32' or 'bfloat16'"),
        (
            "llm",
            {"autocast_dtype": "float16"},
            "autocast_dtype='float16' is not one of 'auto' or 'bfloat16'",
        ),
        ("llm", {"lora": {"r": 8}}, "lora.r is not an option.*rank, alpha, target_modules, sync"),
        ("llm", {"lora": {"rank": 0}}, "lora.rank=0 must be at least 1"),
        ("llm", {"lora": {"target_modules": []}}, "lora.target_modules=\\[\\] must be"),
        ("llm", {"lora": {"sync": "file"}}, "lora.sync='file' is not one of"),
        ("llm", {"lora": {"rank": 1024, "sync": "adapter"}}, "lora.rank=1024 is too large"),
        ("llm", {"lora": 8}, "lora=8 must be a dict of its options"),
        ("prompting", {"template": "compct"}, "There is no prompt template 'compct'"),
        ("prompting", {"require_think": True, "think_tag": None}, "needs a think_tag"),
        ("prompting", {"memory": 3}, "memory=3 must be a RecallsSteps"),
        ("prompting", {"action_parser": 3}, "action_parser=3 must be a ResponseParser"),
        ("reporting", {"transcripts": {"groups": 0}}, "transcripts.groups=0 must be at least 1"),
        ("env_runners", {"num_env_workers": -1}, "num_env_workers=-1 must be at least 0"),
    ],
)
def test_a_mistake_says_where_it_is_and_what_to_do(config, section, settings, message, mistakes):
    assert re.search(message, mistakes(getattr(config, section)(**settings)))


@pytest.mark.parametrize("name", ["gradient_checkpointing", "require_think", "share_gpu"])
@pytest.mark.parametrize("value", ["no", 0, None])
def test_a_switch_is_true_or_false(config, name, value, mistakes):
    setattr(config, name, value)
    assert f"{name}={value!r} must be True or False" in mistakes(config)


def test_an_adapter_goes_to_vllm_only(config, mistakes):
    config.llm(lora={"rank": 8, "sync": "adapter"}).inference(engine="transformers")
    assert "sync='adapter' needs vLLM" in mistakes(config)


def test_env_workers_are_counted_in_the_resource_request(config):
    config.env_runners(num_env_runners=2, num_env_workers=3, num_cpus_per_env_worker=0.5)
    request = config.algo_class.default_resource_request(config)
    assert request.required_resources["CPU"] == 1 + 2 + 2 * 3 * 0.5


def test_an_engine_on_a_gpu_of_the_learner_that_nobody_counts_is_a_mistake(config, mistakes):
    config.learners(num_learners=0, num_gpus_per_learner=1)
    assert "share_gpu=True" in mistakes(config)
    config.learners(num_learners=2)
    assert "num_env_runners=1" in mistakes(config)


def test_an_own_response_parser_needs_its_method_only(config):
    class Reader:
        def parse(self, response, admissible_actions):
            return ActionParser().parse(response, admissible_actions)

    config.prompting(action_parser=Reader()).validate()

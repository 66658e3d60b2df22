"""GiGPOConfig: setters, search spaces, merging, and every mistake at once with its cure."""

import copy
import pickle
import re

import pytest
from ray import tune
from ray.tune.search.variant_generator import generate_variants

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.credit.penalties import Penalties
from rllib_gigpo.credit.rules import GiGPORule, HGPORule
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.loss.kl import KLSettings
from rllib_gigpo.loss.policy import PPOLoss
from rllib_gigpo.models.lora_settings import LoraSettings
from rllib_gigpo.prompting import ActionParser


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


# ------------------------------------------------------------------ mistakes


def test_all_mistakes_are_reported_at_once(config):
    config.training(group_size=1, num_groups=0, gamma=1.5, step_weight=0.0, episode_weight=0.0)
    text = mistakes(config)
    for part in ("group_size=1", "num_groups=0", "gamma=1.5", "step_weight and episode_weight"):
        assert part in text


def test_an_unknown_engine_is_a_mistake_before_anything_starts(config):
    text = mistakes(config.inference(engine="vlm"))
    assert "engine='vlm' is not known: use one of ['transformers', 'vllm'], or" in text
    assert "did you mean 'vllm'?" in text


def test_a_topic_is_not_taken_for_a_setting(config):
    text = mistakes(config.training(rule={"name": "gigpo", "loss": 1}))
    assert "has no option 'loss'" in text
    assert "separate setting" not in text


def test_a_mistake_of_type_hides_no_other(config):
    config.training(
        num_groups=None,  # type, in one section
        lr="fast",  # type, in another
        rule={"name": "gigpo", "normalize_by_std": "mean"},  # type, of an option
        step_weight=0.0,  # between settings of the section with the first
        episode_weight=0.0,
        kl_coeff=0.0,  # between settings of a third
        kl={"target": 0.1},
    ).tasks(num_train_tasks=100, first_test_task=50)
    text = mistakes(config)
    for part in (
        "num_groups=None must be a whole number",
        "lr='fast' must be a number",
        "rule.normalize_by_std='mean' must be True or False",
        "kl.target=0.1 has no effect",
        "training tasks 0..99 and test tasks 50..177 meet",
        "has 5 mistakes:",
    ):
        assert part in text


def test_what_is_wrong_alone_takes_part_in_no_check_between_settings(config):
    assert "multiple" not in mistakes(config.tasks(num_train_tasks=7, task_period=0))


@pytest.mark.parametrize("rule", ["gigpo", "grpo", "support.own_rules:own_rule"])
def test_a_group_of_one_is_refused_with_the_reason(config, rule):
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
def test_a_group_of_one_is_refused_where_rows_of_a_task_are_compared(config, rule):
    assert "no episode to compare with" in mistakes(config.training(group_size=1, rule=rule))


def test_groups_of_one_cannot_be_sampled_until_they_differ(config):
    config.training(rule="reinforce_pp", group_size=1, dynamic_sampling=True)
    assert "groups of group_size=1, whose returns are equal" in mistakes(config)


def test_a_missing_and_an_unknown_model_folder_say_what_to_give(config, tmp_path):
    config.llm(model_path=None)
    assert "rllib warm-start" in mistakes(config)
    config.llm(model_path=str(tmp_path / "nowhere"))
    assert "nowhere" in mistakes(config)
    assert "never downloaded" in mistakes(config)


def test_prompts_longer_than_the_models_context_are_refused(config, model_folder):
    (model_folder / "config.json").write_text('{"max_position_embeddings": 1024}')
    text = mistakes(config)
    assert "need a context of 2560 tokens" in text
    assert "the model's has 1024" in text
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


def test_settings_of_rllib_that_do_nothing_here_are_mistakes(config):
    config.env_runners(num_envs_per_env_runner=4)
    config.training(minibatch_size=64)
    text = mistakes(config)
    assert "num_envs_per_env_runner=4 has no effect" in text
    assert "num_minibatches" in text


def test_training_and_test_tasks_must_not_meet(config):
    config.tasks(num_train_tasks=100, first_test_task=50)
    assert "training tasks 0..99 and test tasks 50..177 meet" in mistakes(config)


def test_passes_hold_as_many_tasks_of_every_kind(config):
    config.tasks(num_train_tasks=10, task_period=4)
    assert "num_train_tasks=10 must be a multiple of task_period=4; take 8" in mistakes(config)
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
            "lr_schedule.decay_iterations=9 counts from the start",
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
        ("training", {"clip_param": 1.5}, r"\. clip_param=1.5 must lie inside"),
        ("training", {"policy_loss": "cispo", "clip_param": 1.5}, "clip_param=1.5 must lie in"),
        ("training", {"grad_clip": "off"}, "grad_clip='off' must be a number or None"),
        ("training", {"lr": float("nan")}, "lr=nan must be a finite number"),
        ("inference", {"eval_sampling": {"top_p": 0.0}}, "eval_sampling.top_p=0.0 must be above"),
        ("inference", {"max_concurrent_episodes": 0}, "max_concurrent_episodes=0 must be above 0"),
        ("llm", {"dtype": "float16"}, "dtype='float16' is not one of 'float32' or 'bfloat16'"),
        ("llm", {"autocast_dtype": "float16"}, "autocast_dtype='float16' is not one of 'bfloat16'"),
        ("llm", {"lora": {"r": 8}}, "lora.r is not an option.*rank, alpha, target_modules, sync"),
        ("llm", {"lora": {"rank": 0}}, "lora.rank=0 must be at least 1"),
        ("llm", {"lora": {"target_modules": []}}, "lora.target_modules=\\[\\] must be"),
        ("llm", {"lora": {"sync": "file"}}, "lora.sync='file' is not one of"),
        ("llm", {"lora": {"rank": 1024, "sync": "adapter"}}, "lora.rank=1024 is too much"),
        ("llm", {"lora": 8}, "lora=8 must be a dict of its options"),
        ("prompting", {"template": "compct"}, "There is no prompt template 'compct'"),
        ("prompting", {"require_think": True, "think_tag": None}, "needs a think_tag"),
        ("prompting", {"memory": 3}, "memory=3 must be a RecallsSteps"),
        ("prompting", {"action_parser": 3}, "action_parser=3 must be a ResponseParser"),
        ("reporting", {"transcripts": {"groups": 0}}, "transcripts.groups=0 must be at least 1"),
        ("env_runners", {"num_env_workers": -1}, "num_env_workers=-1 must be at least 0"),
    ],
)
def test_a_mistake_says_where_it_is_and_what_to_do(config, section, settings, message):
    assert re.search(message, mistakes(getattr(config, section)(**settings)))


@pytest.mark.parametrize("name", ["gradient_checkpointing", "require_think", "share_gpu"])
@pytest.mark.parametrize("value", ["no", 0, None])
def test_a_switch_is_true_or_false(config, name, value):
    setattr(config, name, value)
    assert f"{name}={value!r} must be True or False" in mistakes(config)


def test_an_adapter_goes_to_vllm_only(config):
    config.llm(lora={"rank": 8, "sync": "adapter"}).inference(engine="transformers")
    assert "sync='adapter' is vLLM's" in mistakes(config)


def test_env_workers_are_counted_in_the_resource_request(config):
    config.env_runners(num_env_runners=2, num_env_workers=3, num_cpus_per_env_worker=0.5)
    request = config.algo_class.default_resource_request(config)
    assert request.required_resources["CPU"] == 1 + 2 + 2 * 3 * 0.5


def test_an_engine_on_a_gpu_of_the_learner_that_nobody_counts_is_a_mistake(config):
    config.learners(num_learners=0, num_gpus_per_learner=1)
    assert "share_gpu=True" in mistakes(config)
    config.learners(num_learners=2)
    assert "num_env_runners=1" in mistakes(config)


def test_an_own_response_parser_needs_its_method_only(config):
    class Reader:
        def parse(self, response, admissible_actions):
            return ActionParser().parse(response, admissible_actions)

    config.prompting(action_parser=Reader()).validate()


# ------------------------------------------------------------------ what a rule would not read


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rule": "grpo", "step_weight": 0.5}, "step_weight=0.5 has no effect with rule='grpo'"),
        ({"rule": "grpo", "anchor": "similar"}, "anchor='similar' has no effect"),
        ({"rule": "rloo", "anchor": len}, "anchor='function' has no effect"),
        (
            {"rule": "grpo", "penalties": {"format": 0.1}},
            "does not read STEP_RETURNS.*set mode='row'",
        ),
        ({"rule": "grpo", "episode_weight": 0.0}, "episode_weight of 0 make every"),
        ({"rule": "gigpo", "critic": "head"}, "critic='head' has no effect"),
        ({"rule": "ppo"}, "needs a critic: set critic='head'"),
        (
            {
                "rule": "support.own_rules:AloneIsFine",
                "penalties": {"format": 0.1, "mode": "row"},
            },
            "does not read ROW_PENALTIES",
        ),
        ({"importance_sampling": "token"}, "no effect with old_logp='rollout'"),
    ],
)
def test_what_nothing_would_read_is_a_mistake(config, settings, message):
    assert re.search(message, mistakes(config.training(**settings)))


@pytest.mark.parametrize(
    "settings",
    [
        {"rule": "grpo", "penalties": {"format": 0.1, "mode": "row"}},
        {"rule": "grpo", "penalties": {"mode": "row"}, "gamma": 1.0},
        {"rule": "step_reinforce"},
        {"rule": len, "anchor": "similar", "critic": "head"},  # a function may read everything
        {"rule": "ppo", "critic": {"name": "model", "lr": 1e-3}},
        {"policy_loss": "cispo", "clip_param": 1.0},
        {"kl_coeff": 0.0, "kl": {"estimator": "k1", "placement": "reward"}},  # of a search
        {"old_logp": "recompute", "importance_sampling": {"level": "token", "cap": 4.0}},
        {"anchor": {"name": "similar", "ratio": "difflib", "within_trajectory": False}},
    ],
)
def test_what_is_read_is_no_mistake(config, settings):
    config.training(**settings).validate()


def test_a_preset_under_another_rule_says_what_is_left_over(config):
    preset = GiGPOConfig.preset("ppo").environment(config.env).llm(model_path=config.model_path)
    text = mistakes(preset.training(rule="gigpo"))
    assert "critic='model' has no effect" in text
    assert "group_size=1 leaves no episode to compare with" in text


# ------------------------------------------------------------------ forms of a setting


@pytest.mark.parametrize(
    "rule",
    [
        {"name": "hgpo", "anchor_context": 3},
        HGPORule(anchor_context=3),
        {"name": "rllib_gigpo.credit.rules:HGPORule", "anchor_context": 3},
        {"name": HGPORule, "anchor_context": 3},
    ],
)
def test_a_rule_is_given_in_several_forms(config, rule):
    config.training(rule=rule).validate()
    assert config.settings.credit.rule == HGPORule(anchor_context=3)


def test_what_is_flat_is_flat_only(config):
    config.training(
        rule={"name": "gigpo", "step_weight": 0.5},
        policy_loss={"name": "ppo", "clip_param": 0.1},
    )
    text = mistakes(config)
    assert "rule: step_weight is a separate setting; set step_weight=... outside of it" in text
    assert "policy_loss: clip_param is a separate setting; set clip_param=... outside" in text
    config.training(optim={"lr": 1e-3, "grad_clip": 1.0}, kl={"kl_coeff": 0.1})
    text = mistakes(config)
    assert "optim: lr is a separate setting" in text
    assert "optim: grad_clip is a separate setting" in text
    assert "kl.kl_coeff is not an option: it is a separate setting" in text
    config.training(rule=GiGPORule(step_weight=0.5), policy_loss=PPOLoss(clip_param=0.1))
    text = mistakes(config)
    assert "rule: step_weight is a separate setting" in text
    assert "policy_loss: clip_param is a separate setting" in text


def test_flat_settings_fill_rule_and_loss(config):
    config.training(step_weight=0.5, gamma=0.9, clip_param=0.1, policy_loss=PPOLoss(dual_clip=2.0))
    assert config.settings.credit.rule == GiGPORule(step_weight=0.5)
    assert config.settings.loss.policy_loss == PPOLoss(clip_param=0.1, dual_clip=2.0)
    config.training(rule="ppo", critic="head", step_weight=1.0)
    assert config.settings.credit.rule.gamma == 0.9


def test_records_of_options_are_given_as_dicts_or_objects(config):
    config.training(kl=KLSettings(estimator="k1")).llm(lora=LoraSettings(rank=8))
    assert config.settings.loss.kl.estimator == "k1"
    assert config.settings.model.lora.rank == 8
    config.training(dynamic_sampling=True, kl={"target": 0.1})
    assert config.settings.credit.dynamic_sampling.max_resamples == 10
    assert config.settings.loss.kl == KLSettings(estimator="k1", target=0.1)
    config.training(dynamic_sampling=False).llm(lora=None)
    assert config.settings.credit.dynamic_sampling is None
    assert config.settings.model.lora is None


# ------------------------------------------------------------------ merging


def test_a_part_of_a_nested_setting_is_merged(config):
    config.training(penalties={"format": 0.1, "overlong": {"buffer_tokens": 8, "weight": 0.5}})
    config.update_from_dict({"penalties": {"mode": "row", "overlong": {"weight": 2.0}}})
    assert config.penalties == {
        "format": 0.1,
        "mode": "row",
        "overlong": {"buffer_tokens": 8, "weight": 2.0},
    }
    config.training(policy_loss={"clip_param_high": 0.28})
    assert config.policy_loss == {"name": "ppo", "clip_param_high": 0.28}


def test_another_variant_takes_none_of_the_options(config):
    config.training(policy_loss={"name": "ppo", "dual_clip": None})
    config.update_from_dict({"policy_loss": {"name": "cispo"}})
    assert config.policy_loss == {"name": "cispo"}


def test_options_merge_into_an_object(config):
    config.training(rule=HGPORule(anchor_context=3)).training(rule={"episode_term": True})
    assert config.settings.credit.rule == HGPORule(anchor_context=3, episode_term=True)


def test_a_config_owns_its_nested_settings(config):
    GiGPOConfig().kl["target"] = 0.1
    GiGPOConfig.preset("dapo").penalties["mode"] = "return"
    assert GiGPOConfig().kl == {}
    assert GiGPOConfig.preset("dapo").penalties["mode"] == "row"


# ------------------------------------------------------------------ Tune, dicts, copies


def test_setters_take_search_spaces_of_flat_settings(config):
    config.training(step_weight=tune.grid_search([0.0, 0.5, 1.0]), lr=tune.loguniform(1e-6, 1e-4))
    assert config.to_dict()["step_weight"] == {"grid_search": [0.0, 0.5, 1.0]}


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"policy_loss": tune.grid_search(["ppo", "cispo"])}, {"PPOLoss", "CISPOLoss"}),
        (
            {"policy_loss": {"name": tune.grid_search(["ppo", "cispo"])}},
            {"PPOLoss", "CISPOLoss"},
        ),
        (
            {
                "policy_loss": tune.grid_search(
                    [
                        {"name": "ppo", "clip_param_high": 0.3},
                        {"name": "rllib_gigpo.loss.policy:CISPOLoss"},
                    ]
                )
            },
            {"PPOLoss", "CISPOLoss"},
        ),
    ],
)
def test_search_spaces_pass_through_nested_settings(config, settings, found):
    config.training(**settings)
    variants = [spec for _, spec in generate_variants(config.to_dict())]
    configs = [GiGPOConfig().update_from_dict(variant) for variant in variants]
    assert {type(one.settings.loss.policy_loss).__name__ for one in configs} == found


def test_a_search_inside_a_nested_setting_leaves_the_rest_of_it(config):
    config.training(kl={"estimator": "k1"})
    config.training(kl={"target": tune.grid_search([0.1, 0.2])}, kl_coeff=0.1)
    variants = [spec for _, spec in generate_variants(config.to_dict())]
    found = [GiGPOConfig().update_from_dict(variant).settings.loss.kl for variant in variants]
    assert found == [KLSettings(estimator="k1", target=target) for target in (0.1, 0.2)]


def test_a_config_survives_the_dict_that_tune_makes_of_it(config):
    config.training(step_weight=0.5, group_size=4, rule=HGPORule(anchor_context=1))
    config.training(step_weight=1.0, optim={"betas": [0.8, 0.9]}).prompting(history_length=7)
    again = GiGPOConfig().update_from_dict(config.to_dict())
    again.validate()
    assert again.settings == config.settings
    assert again.settings.optimizer.optim.betas == (0.8, 0.9)


@pytest.mark.parametrize(
    "copied",
    [
        lambda config: config.copy(copy_frozen=False),
        copy.deepcopy,
        lambda config: pickle.loads(pickle.dumps(config)),
        lambda config: GiGPOConfig.from_state(config.get_state()),
    ],
)
def test_copies_have_the_same_settings_and_their_own_values(config, copied):
    config.training(kl={"estimator": "k1"}, rule={"name": "hgpo", "anchor_context": 1})
    other = copied(config)
    assert other.settings == config.settings
    other.training(kl={"estimator": "k2"})
    assert config.settings.loss.kl.estimator == "k1"


def test_a_frozen_config_cannot_be_changed(config):
    config.freeze()
    with pytest.raises(AttributeError, match="frozen"):
        config.training(step_weight=0.5)
    with pytest.raises(AttributeError, match="frozen"):
        config.update_from_dict({"kl": {"target": 0.1}})
    config.copy(copy_frozen=False).training(step_weight=0.5).validate()


def test_sections_cannot_be_changed(config):
    with pytest.raises(ValueError, match="frozen"):
        config.settings.credit.group_size = 4


def test_evaluation_may_sample_otherwise_and_play_other_tasks(config):
    overrides = GiGPOConfig.overrides(eval_sampling={"temperature": 0.0}, num_test_tasks=4)
    config.inference(eval_sampling={"top_k": 5}).evaluation(evaluation_config=overrides).validate()
    settings = config.evaluated().settings
    assert (settings.inference.eval_sampling.temperature, settings.tasks.num_test_tasks) == (0.0, 4)
    assert settings.inference.eval_sampling.top_k == 5  # merged
    assert config.settings.tasks.num_test_tasks == 128


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"max_response_tokens": 4}, "evaluation_config: max_response_tokens cannot differ"),
        ({"env_config": {"length": 3}}, "evaluation_config: env_config cannot differ"),
        ({"eval_samplng": {}}, "evaluation_config: eval_samplng cannot differ"),
        ({"eval_sampling": {"temperature": -1.0}}, "evaluation_config: eval_sampling.temperature"),
        ({"first_test_task": 0}, "evaluation_config: training tasks 0..15 and test tasks 0..127"),
    ],
)
def test_mistakes_of_evaluation_are_found_before_training(config, changed, message):
    config.tasks(num_train_tasks=16).evaluation(evaluation_config=changed)
    assert message in mistakes(config)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"penalties": Penalties(mode="rows")}, "penalties.mode='rows' is not one of"),
        ({"kl": KLSettings(placement="rewards")}, "kl.placement='rewards' is not one of"),
        ({"rule": HGPORule(level_offset=5)}, "rule.level_offset=5 is not one of"),
        ({"rule": GiGPORule(reward_normalization={"method": "median"})}, "method='median' is not"),
        ({"kl": {"horizon": 5}}, "kl.horizon=5 has no effect without a target"),
        ({"advantages": True}, "advantages=True must be a dict of its options"),
        ({"dynamic_sampling": 0}, "dynamic_sampling=0 must be a dict of its options"),
        ({"rule": PPOLoss()}, "PPOLoss.* must be one of"),
        ({"rule": "support.own_rules:NeedsAnOption"}, "rule: .*missing 1 required.* 'factor'"),
    ],
)
def test_objects_are_checked_as_dicts_are(config, settings, message):
    try:
        config.training(**settings)
    except ValueError:  # a record checks its own bounds
        pytest.fail("an object must be refused by validate()")
    assert re.search(message, mistakes(config))


def test_an_empty_dict_is_all_defaults(config):
    assert config.training(dynamic_sampling={}).settings.credit.dynamic_sampling is not None


def test_a_rule_says_nothing_but_what_it_does(config):
    """A user's rule without name and needs may read everything."""
    config.training(rule="support.own_rules:Bare", critic="head").validate()


def test_a_model_path_may_be_a_path(config, model_folder):
    config.llm(model_path=model_folder).validate()
    assert config.settings.model.model_path == str(model_folder)


def test_a_memory_needs_its_method_only(config):
    class Nothing:
        def recall(self, past):
            return []

    config.prompting(memory=Nothing()).validate()


def test_names_of_tags_are_checked(config):
    assert "action_tag='<a>' is not a tag name" in mistakes(config.prompting(action_tag="<a>"))
    config.prompting(action_tag="action", template=3)
    assert "template=3 must be text" in mistakes(config)


def test_help_of_a_setter_lists_its_settings():
    for part in ("group_size (default 8): Episodes of one task", "lr (default 1e-06)"):
        assert part in GiGPOConfig.training.__doc__

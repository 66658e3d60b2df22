"""The forms in which a setting may be given, how parts are merged, and what nothing would read."""

import re

import pytest

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.credit.rules import GiGPORule, HGPORule
from rllib_gigpo.loss.kl import KLSettings
from rllib_gigpo.loss.policy import PPOLoss
from rllib_gigpo.models.lora_settings import LoraSettings


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
        ({"rule": "ppo"}, "needs a critic; set critic='head'"),
        ({"rule": "istar"}, "needs a process reward model; set process_reward=True"),
        ({"rule": "grpo", "process_reward": True}, "process_reward has no effect: rule='grpo'"),
        (
            {
                "rule": "support.own_rules:AloneIsFine",
                "penalties": {"format": 0.1, "mode": "row"},
            },
            "does not read ROW_PENALTIES",
        ),
        (
            {"old_logp": "rollout", "importance_sampling": "token"},
            "no effect with old_logp='rollout'",
        ),
    ],
)
def test_what_nothing_would_read_is_a_mistake(config, settings, message, mistakes):
    assert re.search(message, mistakes(config.training(**settings)))


@pytest.mark.parametrize(
    "settings",
    [
        {"rule": "grpo", "penalties": {"format": 0.1, "mode": "row"}},
        {"rule": "grpo", "penalties": {"mode": "row"}, "gamma": 1.0},
        {"rule": "step_reinforce"},
        {"rule": len, "anchor": "similar", "critic": "head"},  # a function may read everything
        {"rule": "ppo", "critic": {"name": "model", "lr": 1e-3}},
        {"rule": "istar", "process_reward": {"beta": 0.1, "lr": 0.0}},
        {"rule": len, "process_reward": True, "critic": "model"},
        {"policy_loss": "cispo", "clip_param": 1.0},
        {"kl_coeff": 0.0, "kl": {"estimator": "k1", "placement": "reward"}},  # from a search
        {"old_logp": "recompute", "importance_sampling": {"level": "token", "cap": 4.0}},
        {"importance_sampling": "sequence"},  # "auto" then recomputes
        {"anchor": {"name": "similar", "ratio": "difflib", "within_trajectory": False}},
    ],
)
def test_what_is_read_is_no_mistake(config, settings):
    config.training(**settings).validate()


def test_a_preset_under_another_rule_says_what_is_left_over(config, mistakes):
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


def test_what_is_flat_is_flat_only(config, mistakes):
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
    assert "kl.kl_coeff is not an option but a separate setting" in text
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

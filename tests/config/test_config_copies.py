"""Search spaces, dicts, copies, and the config of evaluation."""

import copy
import pickle
import re

import pytest
from ray import tune
from ray.tune.search.variant_generator import generate_variants

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.credit.penalties import Penalties
from rllib_gigpo.credit.rules import GiGPORule, HGPORule
from rllib_gigpo.loss.kl import KLSettings
from rllib_gigpo.loss.policy import PPOLoss


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
        ({"num_env_workers": 1}, "evaluation_config: num_env_workers cannot differ"),
        ({"eval_samplng": {}}, "evaluation_config: eval_samplng cannot differ"),
        ({"eval_sampling": {"temperature": -1.0}}, "evaluation_config: eval_sampling.temperature"),
        ({"first_test_task": 0}, "evaluation_config: training tasks 0..15 and test tasks 0..127"),
    ],
)
def test_mistakes_of_evaluation_are_found_before_training(config, changed, message, mistakes):
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
def test_objects_are_checked_as_dicts_are(config, settings, message, mistakes):
    try:
        config.training(**settings)
    except ValueError:  # a record checks its own bounds
        pytest.fail("an object must be refused by validate()")
    assert re.search(message, mistakes(config))


def test_an_empty_dict_is_all_defaults(config):
    assert config.training(dynamic_sampling={}).settings.credit.dynamic_sampling is not None


def test_a_rule_says_nothing_but_what_it_does(config):
    """A custom rule without ``name`` and ``needs`` may read everything."""
    config.training(rule="support.own_rules:Bare", critic="head").validate()


def test_a_model_path_may_be_a_path(config, model_folder):
    config.llm(model_path=model_folder).validate()
    assert config.settings.model.model_path == str(model_folder)


def test_a_memory_needs_its_method_only(config):
    class Nothing:
        def recall(self, past):
            return []

    config.prompting(memory=Nothing()).validate()


def test_names_of_tags_are_checked(config, mistakes):
    assert "action_tag='<a>' is not a tag name" in mistakes(config.prompting(action_tag="<a>"))
    config.prompting(action_tag="action", template=3)
    assert "template=3 must be text" in mistakes(config)


def test_help_of_a_setter_lists_its_settings():
    for part in ("group_size (default 8): Episodes of one task", "lr (default 1e-06)"):
        assert part in GiGPOConfig.training.__doc__

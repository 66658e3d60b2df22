"""Credit rules by name; each is one small file and one entry of `RULES`."""

from __future__ import annotations

from typing import Any

from rllib_gigpo.credit.rules.anchor_gae_rule import AnchorGAERule
from rllib_gigpo.credit.rules.credit_rule import Advantages, CreditRule, FunctionRule
from rllib_gigpo.credit.rules.gigpo_rule import GiGPORule
from rllib_gigpo.credit.rules.gigpo_verl_agent_rule import VerlAgentGiGPORule
from rllib_gigpo.credit.rules.grpo_rule import GRPORule
from rllib_gigpo.credit.rules.hgpo_rule import HGPORule
from rllib_gigpo.credit.rules.ppo_rule import PPORule
from rllib_gigpo.credit.rules.reinforce_pp_rule import ReinforcePPRule
from rllib_gigpo.credit.rules.rloo_rule import RLOORule
from rllib_gigpo.credit.rules.step_reinforce_rule import StepReinforceRule
from rllib_gigpo.options.registry import Registry, option_names

__all__ = [
    "RULES",
    "Advantages",
    "AnchorGAERule",
    "CreditRule",
    "FunctionRule",
    "GRPORule",
    "GiGPORule",
    "HGPORule",
    "PPORule",
    "RLOORule",
    "ReinforcePPRule",
    "StepReinforceRule",
    "VerlAgentGiGPORule",
    "make_rule",
]

RULES: Registry[CreditRule] = Registry(
    "rule",
    CreditRule,
    (
        GiGPORule,
        VerlAgentGiGPORule,
        GRPORule,
        RLOORule,
        ReinforcePPRule,
        StepReinforceRule,
        HGPORule,
        AnchorGAERule,
        PPORule,
    ),
    given=("gamma", "step_weight", "episode_weight"),
    wrap=FunctionRule,
)


def make_rule(rule: Any, **options: Any) -> CreditRule:
    """Build a credit rule.

    Args:
        rule: A known name, an import path, a class or a function.
        **options: Fields of the rule, including the likes of ``step_weight``.

    Returns:
        The rule.

    Raises:
        ConfigError: The rule is unknown or has no such option.
        ValueError: An option has an invalid value.
    """
    own = option_names(RULES.find(rule))
    given = {name: options.pop(name) for name in RULES.given if name in options and name in own}
    return RULES.build({"name": rule, **options}, given)

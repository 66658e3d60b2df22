"""Credit rules by name: one small file and one line of `RULES` each."""

from __future__ import annotations

from typing import Any

from rllib_gigpo.credit.rules.anchor_gae import AnchorGAE
from rllib_gigpo.credit.rules.base import Advantages, CreditRule, FunctionRule
from rllib_gigpo.credit.rules.gigpo import GiGPO
from rllib_gigpo.credit.rules.gigpo_verl_agent import VerlAgentGiGPO
from rllib_gigpo.credit.rules.grpo import GRPO
from rllib_gigpo.credit.rules.hgpo import HGPO
from rllib_gigpo.credit.rules.ppo import PPO
from rllib_gigpo.credit.rules.reinforce_pp import ReinforcePP
from rllib_gigpo.credit.rules.rloo import RLOO
from rllib_gigpo.credit.rules.step_reinforce import StepReinforce
from rllib_gigpo.options.registry import Registry, option_names

__all__ = [
    "GRPO",
    "HGPO",
    "PPO",
    "RLOO",
    "RULES",
    "Advantages",
    "AnchorGAE",
    "CreditRule",
    "FunctionRule",
    "GiGPO",
    "ReinforcePP",
    "StepReinforce",
    "VerlAgentGiGPO",
    "make_rule",
]

RULES: Registry[CreditRule] = Registry(
    "rule",
    CreditRule,
    (
        GiGPO,
        VerlAgentGiGPO,
        GRPO,
        RLOO,
        ReinforcePP,
        StepReinforce,
        HGPO,
        AnchorGAE,
        PPO,
    ),
    given=("gamma", "step_weight", "episode_weight"),
    wrap=FunctionRule,
)


def make_rule(rule: Any, **options: Any) -> CreditRule:
    """Build a credit rule.

    Args:
        rule: A known name, an import path, a class or a function.
        **options: Fields of the rule, ``step_weight`` and the like included.

    Returns:
        The rule.

    Raises:
        ConfigError: The rule is unknown or lacks one of the options.
        ValueError: An option has a bad value.
    """
    own = option_names(RULES.find(rule))
    given = {name: options.pop(name) for name in RULES.given if name in options and name in own}
    return RULES.build({"name": rule, **options}, given)

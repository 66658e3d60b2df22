"""Credit rules by name; each is one small file and one entry of `RULES`."""

from __future__ import annotations

from typing import Any

from rllib_gigpo.credit.rules.credit_rule import Advantages, CreditRule, FunctionRule
from rllib_gigpo.credit.rules.same_states.bipace_q_rule import BiPACEQRule
from rllib_gigpo.credit.rules.same_states.gigpo_rule import GiGPORule
from rllib_gigpo.credit.rules.same_states.gigpo_verl_agent_rule import VerlAgentGiGPORule
from rllib_gigpo.credit.rules.same_states.hgpo_rule import HGPORule
from rllib_gigpo.credit.rules.same_states.proxmo_rule import ProxMORule
from rllib_gigpo.credit.rules.state_values.anchor_gae_rule import AnchorGAERule
from rllib_gigpo.credit.rules.state_values.bepo_rule import BEPORule
from rllib_gigpo.credit.rules.state_values.g2po_rule import G2PORule
from rllib_gigpo.credit.rules.state_values.graphgpo_rule import GraphGPORule
from rllib_gigpo.credit.rules.state_values.ppo_rule import PPORule
from rllib_gigpo.credit.rules.sub_goals.hiper_critic_rule import HiPERCriticRule
from rllib_gigpo.credit.rules.sub_goals.hiper_rule import HiPERRule
from rllib_gigpo.credit.rules.without_states.grpo_rule import GRPORule
from rllib_gigpo.credit.rules.without_states.istar_rule import IStarRule
from rllib_gigpo.credit.rules.without_states.reinforce_pp_rule import ReinforcePPRule
from rllib_gigpo.credit.rules.without_states.rloo_rule import RLOORule
from rllib_gigpo.credit.rules.without_states.step_reinforce_rule import StepReinforceRule
from rllib_gigpo.credit.rules.without_states.tree_grpo_rule import TreeGRPORule
from rllib_gigpo.options.registry import Registry, option_names

__all__ = [
    "RULES",
    "Advantages",
    "AnchorGAERule",
    "BEPORule",
    "BiPACEQRule",
    "CreditRule",
    "FunctionRule",
    "G2PORule",
    "GRPORule",
    "GiGPORule",
    "GraphGPORule",
    "HGPORule",
    "HiPERCriticRule",
    "HiPERRule",
    "IStarRule",
    "PPORule",
    "ProxMORule",
    "RLOORule",
    "ReinforcePPRule",
    "StepReinforceRule",
    "TreeGRPORule",
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
        TreeGRPORule,
        RLOORule,
        ReinforcePPRule,
        StepReinforceRule,
        HGPORule,
        BiPACEQRule,
        ProxMORule,
        AnchorGAERule,
        GraphGPORule,
        G2PORule,
        BEPORule,
        IStarRule,
        HiPERRule,
        HiPERCriticRule,
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

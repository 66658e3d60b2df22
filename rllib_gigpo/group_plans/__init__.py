"""Group plans by name: which episodes of a group start at the reset, and which fork off others."""

from __future__ import annotations

from rllib_gigpo.group_plans.entropy_forks import EntropyForks
from rllib_gigpo.group_plans.from_reset import FromReset
from rllib_gigpo.group_plans.group_plan import GroupPlan
from rllib_gigpo.group_plans.lone_state_forks import LoneStateForks
from rllib_gigpo.group_plans.random_forks import RandomForks
from rllib_gigpo.options.registry import Registry

GROUP_PLANS: Registry[GroupPlan] = Registry(
    "group_plan", GroupPlan, (FromReset, LoneStateForks, EntropyForks, RandomForks)
)

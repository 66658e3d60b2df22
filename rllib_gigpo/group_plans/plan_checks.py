"""Checks of a plan against the other settings of a run."""

from __future__ import annotations

from collections.abc import Iterator

from rllib_gigpo import columns
from rllib_gigpo.credit.rules.credit_rule import CreditRule
from rllib_gigpo.group_plans.from_reset import FromReset
from rllib_gigpo.group_plans.group_plan import GroupPlan


def forks(
    group_plan: GroupPlan,
    group_size: int,
    rule: CreditRule,
    process_reward: object,
    sub_goals: bool,
) -> Iterator[str]:
    """Reject a plan that forks nothing, a rule that then compares nothing, and the like."""
    if group_plan == FromReset():
        if columns.TREE_IDS in (rule.needs or ()):
            yield (
                f"rule={rule.name!r} compares episodes that fork off each other, but"
                " group_plan='from_reset' forks none; set group_plan='random', or rule='grpo'"
            )
        return
    num_starts = group_plan.num_starts(group_size)
    if num_starts == group_size:
        yield (
            f"group_plan={group_plan.name!r} forks no episode of a group of {group_size}; set a"
            " larger group_size or forked_share"
        )
    elif not 0 < num_starts < group_size:
        yield (
            f"group_plan={group_plan.name!r} starts {num_starts} of {group_size} episodes at the"
            " reset; its num_starts must return 1 or more, and fewer than the group has"
        )
    if process_reward is not None:
        yield "process_reward ranks whole episodes, which forks share; use group_plan='from_reset'"
    if sub_goals:
        yield "sub_goals need whole episodes, but forks begin inside; use group_plan='from_reset'"

"""Checks of a plan against the other settings of a run."""

from __future__ import annotations

from collections.abc import Iterator

from rllib_gigpo.group_plans.from_reset import FromReset
from rllib_gigpo.group_plans.group_plan import GroupPlan


def forks(
    group_plan: GroupPlan, group_size: int, process_reward: object, sub_goals: bool
) -> Iterator[str]:
    """Reject a plan that forks nothing, and what would read repeated steps as new ones."""
    if group_plan == FromReset():
        return
    if not 0 < group_plan.num_starts(group_size) < group_size:
        yield (
            f"group_plan={group_plan.name!r} forks no episode of a group of {group_size}; set a"
            " larger group_size or forked_share"
        )
    if process_reward is not None:
        yield "process_reward ranks whole episodes, which forks share; use group_plan='from_reset'"
    if sub_goals:
        yield "sub_goals need whole episodes, but forks begin inside; use group_plan='from_reset'"

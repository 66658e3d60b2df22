"""Settings of groups and credit assignment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import BeforeValidator, PositiveInt

from rllib_gigpo import columns
from rllib_gigpo.credit.advantages import AdvantageScaling
from rllib_gigpo.credit.anchors import ANCHORS, AnchorMatch, ExactAnchors
from rllib_gigpo.credit.penalties import Penalties
from rllib_gigpo.credit.rules import RULES, CreditRule
from rllib_gigpo.credit.uncertainty_reward import UncertaintyReward
from rllib_gigpo.group_plans import GROUP_PLANS
from rllib_gigpo.group_plans.group_plan import GroupPlan
from rllib_gigpo.group_plans.plan_checks import forks
from rllib_gigpo.options.registry import option_names
from rllib_gigpo.options.section import Section, setting
from rllib_gigpo.sampling.dynamic_sampling import DynamicSampling

_FalseIsNone = BeforeValidator(lambda v: None if v is False else v)
Sampling = Annotated[DynamicSampling | None, _FalseIsNone]
Uncertainty = Annotated[UncertaintyReward | None, _FalseIsNone]


class CreditSection(Section):
    """Settings of groups and credit in `GiGPOConfig.training`."""

    group_size: PositiveInt = setting(
        8, "Episodes of one task (N in the paper); 1 only with rules that do not compare episodes."
    )
    num_groups: PositiveInt = setting(16, "Groups per iteration, each with its own task.")
    group_plan: Annotated[GroupPlan, GROUP_PLANS] = setting(
        "from_reset", "Which episodes of a group fork off others; docs/how_to/forks.md."
    )
    gamma: float = setting(0.95, "Discount per step in the step returns.", gt=0, le=1)
    step_weight: float = setting(1.0, "Weight of the step advantage A^S (omega in the paper).")
    episode_weight: float = setting(1.0, "Weight of the episode advantage A^E.")
    rule: Annotated[CreditRule, RULES] = setting("gigpo", "How steps get credit; docs/rules.md.")
    anchor: Annotated[AnchorMatch, ANCHORS] = setting("exact", "Which states of a task are equal.")
    advantages: AdvantageScaling = setting({}, "Scaling of the advantages of a batch.")
    penalties: Penalties = setting({}, "Penalties for invalid and overlong answers.")
    uncertainty_reward: Uncertainty = setting(
        None, "SELAUR's reward for failed episodes; True for the defaults, None for off."
    )
    dynamic_sampling: Sampling = setting(
        None, "Replace groups whose returns are all equal; True for the defaults, None for off."
    )


def group_of_one(
    group_size: int, rule: CreditRule, dynamic_sampling: DynamicSampling | None
) -> Iterator[str]:
    """Reject a group of one if the rule compares episodes."""
    if group_size == 1 and rule.compares_within_groups:
        yield f"group_size=1 leaves no episode to compare with; rule={rule.name!r} needs 2 or more"
    if group_size == 1 and dynamic_sampling is not None:
        yield "dynamic_sampling drops groups of group_size=1, whose returns are equal; turn it off"


def unread(rule: CreditRule, anchor: AnchorMatch, penalties: Penalties) -> Iterator[str]:
    """Reject settings that the rule would not read; a function may read everything."""
    if rule.needs is None:
        return
    if anchor != ExactAnchors() and columns.ANCHOR_GROUP_IDS not in rule.needs:
        yield f"anchor={anchor.name!r} has no effect: rule={rule.name!r} does not group by anchors"
    column = columns.ROW_PENALTIES if penalties.mode == "row" else columns.STEP_RETURNS
    if not penalties.is_free and column not in rule.needs:
        others = {"row": "mode='return'", "return": "mode='row'"}
        yield (
            f"penalties have no effect: rule={rule.name!r} does not read {column.upper()}, where"
            f" mode={penalties.mode!r} applies them; set {others[penalties.mode]}"
        )


def buffer(penalties: Penalties, max_response_tokens: int) -> Iterator[str]:
    """Check that the overlong buffer is not longer than an answer."""
    if penalties.overlong and penalties.overlong.buffer_tokens > max_response_tokens:
        tokens = penalties.overlong.buffer_tokens
        yield f"penalties.overlong.buffer_tokens={tokens} must not be above {max_response_tokens=}"


def weights(rule: CreditRule, step_weight: float, episode_weight: float) -> Iterator[str]:
    """Reject weights that the rule does not read, and weights that are all 0."""
    given = {"step_weight": step_weight, "episode_weight": episode_weight}
    own = {name: weight for name, weight in given.items() if name in option_names(type(rule))}
    for name, weight in given.items():
        if name not in own and weight != 1.0:
            yield f"{name}={weight!r} has no effect with rule={rule.name!r}; leave it at 1"
    if own and not any(own.values()) and type(rule) in RULES.known.values():
        yield f"{' and '.join(own)} of 0 make every advantage 0 with rule={rule.name!r}; set 1"


CHECKS = (group_of_one, forks, unread, buffer, weights)

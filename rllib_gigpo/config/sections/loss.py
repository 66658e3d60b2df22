"""The losses of policy and critic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import NonNegativeFloat, PositiveFloat

from rllib_gigpo import columns
from rllib_gigpo.credit.rules import CreditRule
from rllib_gigpo.loss.aggregation import AGGREGATIONS, LossAggregation
from rllib_gigpo.loss.kl import KLSettings
from rllib_gigpo.loss.mismatch import ImportanceSettings
from rllib_gigpo.loss.policy import POLICY_LOSSES, PolicyLoss
from rllib_gigpo.options.section import Section, setting
from rllib_gigpo.rl_modules.critic_settings import CriticSettings


class LossSection(Section):
    """The losses, of `GiGPOConfig.training`."""

    clip_param: PositiveFloat = setting(
        0.2, "Clip range of the ratio: 1 ± this; published: gspo 3e-4 (4e-4 above), cispo 1."
    )
    policy_loss: Annotated[PolicyLoss, POLICY_LOSSES] = setting(
        "ppo", "A ratio per token (ppo) or answer (gspo), or clipped weights (cispo)."
    )
    loss_aggregation: Annotated[LossAggregation, AGGREGATIONS] = setting(
        "token_mean", "How token losses become one number; the paper's: seq_mean_token_mean."
    )
    kl_coeff: NonNegativeFloat = setting(0.01, "Weight of the divergence; 0 keeps no reference.")
    kl: KLSettings = setting({}, "The divergence from the start model.")
    old_logp: Literal["rollout", "recompute"] = setting(
        "rollout",
        "Log-probs that the ratio starts from: the engine's, or the Learner's (a pass more).",
    )
    importance_sampling: ImportanceSettings | None = setting(
        None, "With old_logp='recompute': correct for the engine's probabilities."
    )
    entropy_coeff: NonNegativeFloat = setting(0.001, "Weight of the entropy bonus.")
    critic: CriticSettings | None = setting(
        None, "A critic, for rules that read its values: 'head' or 'model'."
    )

    @property
    def kl_in_reward(self) -> bool:
        """Whether the divergence is taken from the rewards."""
        return self.kl_coeff > 0 and self.kl.placement == "reward"


def whole_answers(policy_loss: PolicyLoss, loss_aggregation: LossAggregation) -> Iterator[str]:
    """Some losses go with one aggregation only."""
    wanted = policy_loss.aggregation
    if wanted not in (None, loss_aggregation.name):
        yield f"policy_loss={policy_loss.name!r} weighs whole answers: loss_aggregation={wanted!r}"


def correction(old_logp: str, importance_sampling: ImportanceSettings | None) -> Iterator[str]:
    """Where the ratio starts from the engine's log-probs, it is the correction itself."""
    if importance_sampling is not None and old_logp == "rollout":
        yield "importance_sampling has no effect with old_logp='rollout'; set 'recompute'"


def steering(kl_coeff: float, kl: KLSettings) -> Iterator[str]:
    """A weight of 0 stays 0; placement and estimator may be set, for a search with a baseline."""
    if kl_coeff == 0 and kl.target is not None:
        yield f"kl.target={kl.target!r} has no effect with {kl_coeff=}; set kl_coeff above 0"


def values(rule: CreditRule, critic: CriticSettings | None) -> Iterator[str]:
    """A critic is there if and only if the rule reads its values; a function may."""
    reads = rule.needs is None or columns.VALUES in rule.needs
    if reads and rule.needs is not None and critic is None:
        yield f"rule={rule.name!r} needs a critic: set critic='head', or 'model' (a second model)"
    if not reads and critic is not None:
        yield f"critic={critic.name!r} has no effect: rule={rule.name!r} reads no values of states"


CHECKS = (whole_answers, correction, steering, values)

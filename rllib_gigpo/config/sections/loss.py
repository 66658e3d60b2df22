"""Settings of the losses of policy, critic and process reward model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import BeforeValidator, NonNegativeFloat, PositiveFloat

from rllib_gigpo import columns
from rllib_gigpo.credit.rules import CreditRule
from rllib_gigpo.loss.aggregation import AGGREGATIONS, LossAggregation
from rllib_gigpo.loss.kl import KLSettings
from rllib_gigpo.loss.mismatch import ImportanceSettings, OldLogpSource
from rllib_gigpo.loss.policy import POLICY_LOSSES, PolicyLoss
from rllib_gigpo.options.section import Section, setting
from rllib_gigpo.rl_modules.critic_settings import CriticSettings
from rllib_gigpo.rl_modules.process_reward_settings import ProcessRewardSettings

ProcessReward = Annotated[
    ProcessRewardSettings | None, BeforeValidator(lambda v: None if v is False else v)
]


class LossSection(Section):
    """Settings of the losses in `GiGPOConfig.training`."""

    clip_param: PositiveFloat = setting(
        0.2, "Clip range of the ratio, 1 ± this; published: gspo 3e-4 (4e-4 above), cispo 1."
    )
    policy_loss: Annotated[PolicyLoss, POLICY_LOSSES] = setting(
        "ppo", "One ratio per token (ppo) or per answer (gspo), or clipped weights (cispo)."
    )
    loss_aggregation: Annotated[LossAggregation, AGGREGATIONS] = setting(
        "token_mean", "How token losses become one number; the paper uses seq_mean_token_mean."
    )
    kl_coeff: NonNegativeFloat = setting(0.01, "Weight of the KL divergence; 0 needs no reference.")
    kl: KLSettings = setting({}, "The KL divergence from the initial model.")
    old_logp: OldLogpSource = setting("auto", "The engine's, the Learner's, or by their dtypes.")
    strict_ratio: bool | None = setting(None, "End if fresh ratios are off; None: float32 on CPUs.")
    importance_sampling: ImportanceSettings | None = setting(None, "Token weights; docs/losses.md.")
    entropy_coeff: NonNegativeFloat = setting(0.001, "Weight of the entropy bonus.")
    critic: CriticSettings | None = setting(
        None, "Critic for rules that read its values: 'head' or 'model'; None for no critic."
    )
    process_reward: ProcessReward = setting(
        None, "A second model that rewards steps, for rules that read it; True for the defaults."
    )

    @property
    def kl_in_reward(self) -> bool:
        """Whether the KL divergence is subtracted from the rewards."""
        return self.kl_coeff > 0 and self.kl.placement == "reward"


def whole_answers(policy_loss: PolicyLoss, loss_aggregation: LossAggregation) -> Iterator[str]:
    """Reject an aggregation that does not work with the loss."""
    wanted = policy_loss.aggregation
    if wanted not in (None, loss_aggregation.name):
        yield f"policy_loss={policy_loss.name!r} needs loss_aggregation={wanted!r}; set it"


def correction(old_logp: str, importance_sampling: ImportanceSettings | None) -> Iterator[str]:
    """Reject a correction if the ratio uses the engine's log-probs, which corrects already."""
    if importance_sampling is not None and old_logp == "rollout":
        yield "importance_sampling has no effect with old_logp='rollout'; set 'recompute'"


def steering(kl_coeff: float, kl: KLSettings) -> Iterator[str]:
    """Reject a target for a weight of 0, which stays 0; a search may set the other options."""
    if kl_coeff == 0 and kl.target is not None:
        yield f"kl.target={kl.target!r} has no effect with {kl_coeff=}; set kl_coeff above 0"


def values(rule: CreditRule, critic: CriticSettings | None) -> Iterator[str]:
    """Require a critic if the rule reads its values, and reject it if not; a function may."""
    reads = rule.needs is None or columns.VALUES in rule.needs
    if reads and rule.needs is not None and critic is None:
        yield f"rule={rule.name!r} needs a critic; set critic='head', or 'model' (a second model)"
    if not reads and critic is not None:
        yield f"critic={critic.name!r} has no effect: rule={rule.name!r} reads no state values"


def step_rewards(rule: CreditRule, process_reward: ProcessRewardSettings | None) -> Iterator[str]:
    """Require a process reward model if the rule reads its rewards; see `values`."""
    reads = rule.needs is None or columns.IMPLICIT_REWARDS in rule.needs
    if reads and rule.needs is not None and process_reward is None:
        yield f"rule={rule.name!r} needs a process reward model; set process_reward=True"
    if not reads and process_reward is not None:
        yield f"process_reward has no effect: rule={rule.name!r} reads no implicit step rewards"


CHECKS = (whole_answers, correction, steering, values, step_rewards)

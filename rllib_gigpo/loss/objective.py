"""The objective of one micro-batch: the sum of its losses and sums for the metrics, undivided."""

from dataclasses import dataclass

import torch

from rllib_gigpo.loss.kl import kl_estimate
from rllib_gigpo.loss.policy import PolicyLoss, PPOLoss
from rllib_gigpo.loss.token_columns import TokenColumns


@dataclass(frozen=True, slots=True)
class ObjectiveSettings:
    """The terms of the loss and their weights; see `objective`.

    Attributes:
        policy_loss: The policy loss of a token.
        kl_coeff: β, the weight of the KL divergence from the reference.
        entropy_coeff: η, the weight of the entropy bonus.
        kl_estimator: Estimator of the KL divergence; see `kl_estimate`.
    """

    policy_loss: PolicyLoss = PPOLoss()  # noqa: RUF009 - frozen
    kl_coeff: float = 0.0
    entropy_coeff: float = 0.0
    kl_estimator: str = "k3"


@dataclass(frozen=True, slots=True)
class ObjectiveSums:
    """The contribution of a micro-batch to its mini-batch.

    Attributes:
        loss: Scalar with gradient, Σ v·l.
        sums: (len(METRIC_NAMES),) float64 without gradient, weighted by the row weights.
        max_ratio_deviation: Scalar, max |exp(logp - rollout_logp) - 1| over the fresh tokens of
            weight > 0; 0 if there are none.
        max_abs_logp_diff: Scalar, max |rollout_logp - logp| over the same tokens.
    """

    loss: torch.Tensor
    sums: torch.Tensor
    max_ratio_deviation: torch.Tensor
    max_abs_logp_diff: torch.Tensor


METRIC_NAMES = (
    "num_tokens",  # Σ w; the divisor of the others
    "policy_loss",
    "clip_fraction",
    "ratio_mean",
    "ratio_deviation",  # |ρ - 1|
    "approx_kl",  # k3 estimate of KL(old || new)
    "entropy",
    "kl_to_reference",
    "rollout_kl",  # rollout_logp - logp, the k1 estimate of KL(engine || Learner)
)


def objective(
    logp: torch.Tensor, entropy: torch.Tensor, columns: TokenColumns, settings: ObjectiveSettings
) -> ObjectiveSums:
    """Sum ``v·(w·L_policy + β·KL - η·H)`` over a micro-batch's response tokens.

    Args:
        logp: (S,) Log-probabilities under the policy, with gradient.
        entropy: (S,) Entropies under the policy.
        columns: The other per-token inputs.
        settings: Policy loss and coefficients.

    Returns:
        The loss sum and the metric sums. For S = 0 all are 0, and the loss still has a graph.

    Raises:
        ValueError: There is a KL term but no ``ref_logp``.
    """
    policy_loss, is_clipped = settings.policy_loss(logp, columns)
    if columns.importance is not None:
        policy_loss = policy_loss * columns.importance
    kl = _kl(logp, columns, settings)
    token_loss = policy_loss
    if settings.kl_coeff != 0.0:
        token_loss = token_loss + settings.kl_coeff * kl
    if settings.entropy_coeff != 0.0:
        token_loss = token_loss - settings.entropy_coeff * entropy
    with torch.no_grad():
        ratio = (logp - columns.old_logp).exp()
        deviation = (ratio - 1.0).abs()
        from_rollout = logp - columns.rollout_logp
        values = (
            torch.ones_like(ratio),
            policy_loss,
            is_clipped,
            ratio,
            deviation,
            kl_estimate(columns.old_logp, logp),
            entropy,
            kl,
            -from_rollout,
        )
        stacked = torch.stack([value.double() for value in values])
    fresh = columns.metric_weights if columns.fresh_weights is None else columns.fresh_weights
    return ObjectiveSums(
        loss=(token_loss * columns.loss_weights).sum(),
        sums=stacked @ columns.metric_weights.double(),
        max_ratio_deviation=_max_of_counted(from_rollout.exp() - 1.0, fresh),
        max_abs_logp_diff=_max_of_counted(from_rollout, fresh),
    )


def _kl(logp: torch.Tensor, columns: TokenColumns, settings: ObjectiveSettings) -> torch.Tensor:
    if settings.kl_coeff == 0.0:
        return torch.zeros_like(logp)
    if columns.ref_logp is None:
        raise ValueError(
            f"kl_coeff={settings.kl_coeff} needs ref_logp; pass the reference's log-probabilities, "
            "or set kl_coeff to 0."
        )
    return kl_estimate(logp, columns.ref_logp, settings.kl_estimator)


def _max_of_counted(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    counted = torch.where(weights > 0, values.abs(), torch.zeros_like(values))
    return torch.cat([counted, counted.new_zeros(1)]).max()

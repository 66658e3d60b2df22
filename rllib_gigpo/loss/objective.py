"""The objective of one micro-batch: a loss sum, and sums for the metrics, without any division."""

from dataclasses import dataclass

import torch

from rllib_gigpo.loss.kl import kl_estimate
from rllib_gigpo.loss.policy_loss import clipped_policy_loss


@dataclass(frozen=True, slots=True)
class ObjectiveSettings:
    """What the loss is made of; see `objective`.

    Attributes:
        clip_low: ε_low of the clip.
        clip_high: ε_high of the clip.
        dual_clip: c of the dual clip, or None.
        kl_coeff: β, weight of the divergence from the reference.
        entropy_coeff: Weight of the entropy bonus.
        kl_kind: Estimator of the divergence, see `kl_estimate`.
    """

    clip_low: float = 0.2
    clip_high: float = 0.2
    dual_clip: float | None = 3.0
    kl_coeff: float = 0.0
    entropy_coeff: float = 0.0
    kl_kind: str = "k3"


@dataclass(frozen=True, slots=True)
class TokenColumns:
    """Per-token inputs of the objective, over the S response tokens of a micro-batch.

    Attributes:
        old_logp: (S,) log-probabilities of the policy that sampled.
        advantages: (S,).
        loss_weights: (S,) v of `token_loss_weights`.
        metric_weights: (S,) weight of the token's row, for the metrics.
        ref_logp: (S,) under the reference, or None without a KL term.
    """

    old_logp: torch.Tensor
    advantages: torch.Tensor
    loss_weights: torch.Tensor
    metric_weights: torch.Tensor
    ref_logp: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class ObjectiveSums:
    """What a micro-batch adds to its mini-batch.

    Attributes:
        loss: Scalar with gradient, Σ v·l.
        sums: (len(METRIC_NAMES),) float64 without gradient, each weighted by the rows' weights.
        max_ratio_deviation: Scalar, max |ρ - 1| over tokens of weight > 0; 0 without any.
    """

    loss: torch.Tensor
    sums: torch.Tensor
    max_ratio_deviation: torch.Tensor


METRIC_NAMES = (
    "num_tokens",  # Σ w; the divisor of the others
    "policy_loss",
    "clip_fraction",
    "ratio_mean",
    "ratio_deviation",  # |ρ - 1|
    "approx_kl",  # k3 of old against new
    "entropy",
    "kl_to_reference",
)


def objective(
    logp: torch.Tensor, entropy: torch.Tensor, columns: TokenColumns, settings: ObjectiveSettings
) -> ObjectiveSums:
    """Sum ``v·(L_clip + β·KL - η·H)`` over a micro-batch's response tokens.

    Args:
        logp: (S,) log-probabilities under the policy, with gradient.
        entropy: (S,) entropies under the policy.
        columns: The other per-token inputs.
        settings: Coefficients.

    Returns:
        The loss sum and the metric sums; all 0 for S = 0, and then the loss still has a graph.

    Raises:
        ValueError: If there is a KL term without ``ref_logp``.
    """
    log_ratio = logp - columns.old_logp
    policy_loss, is_clipped = clipped_policy_loss(
        log_ratio,
        columns.advantages,
        clip_low=settings.clip_low,
        clip_high=settings.clip_high,
        dual_clip=settings.dual_clip,
    )
    kl = _kl(logp, columns, settings)
    token_loss = policy_loss
    if settings.kl_coeff != 0.0:
        token_loss = token_loss + settings.kl_coeff * kl
    if settings.entropy_coeff != 0.0:
        token_loss = token_loss - settings.entropy_coeff * entropy
    with torch.no_grad():
        ratio = log_ratio.exp()
        deviation = (ratio - 1.0).abs()
        values = (
            torch.ones_like(ratio),
            policy_loss,
            is_clipped,
            ratio,
            deviation,
            kl_estimate(columns.old_logp, logp),
            entropy,
            kl,
        )
        stacked = torch.stack([value.double() for value in values])
    return ObjectiveSums(
        loss=(token_loss * columns.loss_weights).sum(),
        sums=stacked @ columns.metric_weights.double(),
        max_ratio_deviation=_max_of_counted(deviation, columns.metric_weights),
    )


def _kl(logp: torch.Tensor, columns: TokenColumns, settings: ObjectiveSettings) -> torch.Tensor:
    if settings.kl_coeff == 0.0:
        return torch.zeros_like(logp)
    if columns.ref_logp is None:
        raise ValueError(
            f"kl_coeff={settings.kl_coeff} needs ref_logp; pass the reference's log-probabilities "
            "or set kl_coeff to 0."
        )
    return kl_estimate(logp, columns.ref_logp, settings.kl_kind)


def _max_of_counted(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    counted = torch.where(weights > 0, values, torch.zeros_like(values))
    return torch.cat([counted, counted.new_zeros(1)]).max()

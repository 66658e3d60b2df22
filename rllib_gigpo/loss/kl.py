"""Estimates of the KL divergence between the policy and a reference, per token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from rllib_gigpo.lazy_torch import torch
from rllib_gigpo.options.records import Options, require

LOG_RATIO_BOUND = 20.0  # exp(20) is finite in every dtype with 8 exponent bits
KL_BOUND = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KLSettings(Options):
    """The KL divergence from the initial model, whose weight β is ``kl_coeff``.

    Attributes:
        placement: "loss": a term of the loss; "reward": subtracted from each step's reward before
            credit assignment.
        estimator: Estimator of the KL divergence per token; docs/losses.md has the formulas.
        target: KL divergence per token towards which `kl_coeff` (β) adapts, above 0; None keeps β.
        horizon: Number of rows over which an error of 20 % changes β by 20 %, at least 1.
    """

    short: ClassVar[str | None] = "placement"

    placement: Literal["loss", "reward"] = "loss"
    estimator: Literal["k1", "abs", "k2", "k3"] = "k3"
    target: float | None = None
    horizon: int = 10_000

    def __post_init__(self) -> None:
        """Reject numbers out of range."""
        require(self, target="> 0", horizon=">= 1")
        if self.target is None and self.horizon != 10_000:
            raise ValueError(f"horizon={self.horizon!r} has no effect without a target; set both")


def kl_estimate(logp: torch.Tensor, ref_logp: torch.Tensor, kind: str = "k3") -> torch.Tensor:
    """Estimate KL(policy || reference) at each token from the one token that was sampled there.

    With d = logp - ref_logp: ``k1`` is d (unbiased, may be negative); ``abs`` is |d|; ``k2`` is
    d²/2 (its gradient is that of the KL); ``k3`` is exp(-d) - 1 + d (unbiased, never negative),
    clamped to ±10. All are 0 where ``logp`` equals ``ref_logp``.

    Args:
        logp: (S,) Log-probabilities under the policy, with gradient.
        ref_logp: (S,) Log-probabilities under the reference.
        kind: "k1", "abs", "k2" or "k3".

    Returns:
        The estimates (S,).

    Raises:
        ValueError: ``kind`` is unknown.
    """
    difference = logp - ref_logp
    if kind == "k1":
        return difference
    if kind == "abs":
        return difference.abs()
    if kind == "k2":
        return 0.5 * difference.square()
    if kind == "k3":
        negative = (-difference).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)
        return (negative.exp() - 1.0 - negative).clamp(-KL_BOUND, KL_BOUND)
    raise ValueError(f"kind={kind!r} is not a KL estimator; use 'k1', 'abs', 'k2' or 'k3'.")

"""Per-token estimates of the divergence between the policy and a reference."""

import torch

LOG_RATIO_BOUND = 20.0  # exp(20) is finite in every dtype with 8 exponent bits
KL_BOUND = 10.0


def kl_estimate(logp: torch.Tensor, ref_logp: torch.Tensor, kind: str = "k3") -> torch.Tensor:
    """Estimate KL(policy || reference) from one sampled token each.

    With d = logp - ref_logp: ``k1`` is d (unbiased, may be negative), ``abs`` is |d|, ``k2`` is
    d²/2 (its gradient is that of the KL), ``k3`` is exp(-d) - 1 + d (unbiased, never negative),
    clamped to ±10. Where ``logp`` equals ``ref_logp`` each is 0.

    Args:
        logp: (S,) log-probabilities under the policy; carries the gradient.
        ref_logp: (S,) under the reference.
        kind: "k1", "abs", "k2" or "k3".

    Returns:
        The estimates (S,).

    Raises:
        ValueError: If ``kind`` is unknown.
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
    raise ValueError(f"kind={kind!r} is no KL estimator; use 'k1', 'abs', 'k2' or 'k3'.")

"""The clipped policy loss of one token: PPO, clip-higher and dual clip."""

import torch


def clipped_policy_loss(
    log_ratio: torch.Tensor,
    advantages: torch.Tensor,
    *,
    clip_low: float,
    clip_high: float,
    dual_clip: float | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute PPO's loss of each token and whether the clip holds it.

    With ρ = exp(logp - old_logp) the loss is ``max(-ρA, -clip(ρ, 1-ε_low, 1+ε_high)·A)``; a dual
    clip c bounds it by ``-cA`` where A < 0, so that a bad token whose ratio has exploded cannot
    dominate (arXiv 1912.09729). A larger ε_high than ε_low is DAPO's clip-higher.
    A = 0 gives a loss of 0.

    Args:
        log_ratio: (S,) logp - old_logp; carries the gradient.
        advantages: (S,) A of each token.
        clip_low: ε_low, in [0, 1).
        clip_high: ε_high >= 0.
        dual_clip: c > 1, or None for none.

    Returns:
        The losses (S,), and a boolean (S,): True where a clip is active, so that the gradient is 0.
    """
    ratio = log_ratio.exp()
    unclipped = -ratio * advantages
    clipped = -ratio.clamp(1.0 - clip_low, 1.0 + clip_high) * advantages
    loss = torch.maximum(unclipped, clipped)
    is_clipped = (clipped > unclipped).detach()
    if dual_clip is None:
        return loss, is_clipped
    bound = -dual_clip * advantages
    is_bounded = (advantages < 0) & (loss > bound)
    return torch.where(is_bounded, bound, loss), is_clipped | is_bounded.detach()

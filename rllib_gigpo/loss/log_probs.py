"""Log-probabilities and entropies of response tokens, computed in chunks of logits."""

from collections.abc import Callable

import torch
from torch.utils.checkpoint import checkpoint

Head = Callable[[torch.Tensor], torch.Tensor]


def response_log_probs(
    hidden: torch.Tensor,
    targets: torch.Tensor,
    head: Head,
    *,
    chunk_tokens: int,
    entropy_gradient: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute log p(target) and the entropy at every response position.

    At most ``chunk_tokens`` rows of logits exist at a time, even in the backward pass, which
    recomputes them if there is more than one chunk.

    Args:
        hidden: (S, H) Last hidden states at the positions that predict the response tokens.
        targets: (S,) int64, the response tokens.
        head: Maps hidden states (C, H) to logits (C, V).
        chunk_tokens: Largest C, at least 1.
        entropy_gradient: Whether the entropy has a gradient.

    Returns:
        logp (S,) and entropy (S,), float32.

    Raises:
        ValueError: ``chunk_tokens`` is not positive.
    """
    if chunk_tokens < 1:
        raise ValueError(f"chunk_tokens={chunk_tokens} must be at least 1.")
    chunks = list(zip(hidden.split(chunk_tokens), targets.split(chunk_tokens), strict=True))
    results = [
        _chunk(
            part,
            target,
            head,
            entropy_gradient,
            recompute=len(chunks) > 1 and torch.is_grad_enabled(),
        )
        for part, target in chunks
    ]
    logps, entropies = zip(*results, strict=True)
    return torch.cat(logps), torch.cat(entropies)


def _chunk(
    hidden: torch.Tensor,
    targets: torch.Tensor,
    head: Head,
    entropy_gradient: bool,
    *,
    recompute: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    arguments = (hidden, targets, head, entropy_gradient)
    if not recompute:
        return chunk_log_probs(*arguments)
    # A head draws no random numbers, so no generator state needs to be restored.
    return checkpoint(chunk_log_probs, *arguments, use_reentrant=False, preserve_rng_state=False)


def chunk_log_probs(
    hidden: torch.Tensor,
    targets: torch.Tensor,
    head: Head,
    entropy_gradient: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute log p(target) = z_y - logΣexp z and H = -Σ p·log p of one chunk, in float32.

    Args:
        hidden: (C, H) Hidden states.
        targets: (C,) int64, the response tokens.
        head: Maps hidden states (C, H) to logits (C, V).
        entropy_gradient: Whether the entropy has a gradient.

    Returns:
        logp (C,) and entropy (C,), float32.
    """
    logits = head(hidden).float()
    all_logp = logits.log_softmax(dim=-1)
    logp = all_logp.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    with torch.set_grad_enabled(entropy_gradient and torch.is_grad_enabled()):
        entropy = -(all_logp.exp() * all_logp).sum(dim=-1)
    return logp, entropy

"""The distribution that a token is sampled from, built in the same order as in vLLM."""

from typing import NamedTuple

import torch

from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.errors import EngineError


def token_log_probs(logits: torch.Tensor, sampling: SamplingSettings) -> torch.Tensor:
    """Return log-probs after temperature, top-k and top-p, renormalised; -inf for cut tokens.

    Args:
        logits: Logits, (V,) float.
        sampling: The sampling settings. Temperature 0 counts as 1: the choice is greedy, but the
            log-prob is the model's.

    Returns:
        (V,) float32. Tokens tied with the k-th are kept, as in vLLM; at least one token is kept.
    """
    scores = logits.float() / (sampling.temperature or 1.0)
    if sampling.temperature == 0:
        return scores.log_softmax(-1)
    if 0 < sampling.top_k < scores.numel():
        smallest = scores.topk(sampling.top_k).values[-1]
        scores = scores.masked_fill(scores < smallest, -torch.inf)
    if sampling.top_p < 1:
        scores = _cut_tail(scores, sampling.top_p)
    return scores.log_softmax(-1)


def _cut_tail(scores: torch.Tensor, top_p: float) -> torch.Tensor:
    """Cut the least likely tokens, whose probabilities sum to at most ``1 - top_p``."""
    ascending, order = scores.sort()
    is_cut = ascending.softmax(-1).cumsum(-1) <= 1 - top_p
    is_cut[-1] = False
    return scores.masked_fill(torch.empty_like(is_cut).scatter_(0, order, is_cut), -torch.inf)


class SampledToken(NamedTuple):
    """A token, its log-prob, and the log-probs (V,) of the distribution that it comes from."""

    token_id: int
    logp: float
    distribution: torch.Tensor


def sample_token(
    logits: torch.Tensor, sampling: SamplingSettings, *, generator: torch.Generator
) -> SampledToken:
    """Sample a token.

    Raises:
        EngineError: The logits are not numbers.
    """
    logp = token_log_probs(logits, sampling)
    if logp.isnan().any():
        raise EngineError(
            "The model's logits are NaN or infinite, so no token can be sampled. A weight of the"
            " model is probably NaN or infinite: use another checkpoint, and a smaller lr if"
            " training made it so."
        )
    if sampling.temperature == 0:
        token_id = int(logp.argmax())
    else:
        token_id = int(torch.multinomial(logp.exp(), 1, generator=generator))
    return SampledToken(token_id, float(logp[token_id]), logp)


def entropy_of(logp: torch.Tensor) -> torch.Tensor:
    """Return the entropy of distributions in nats: H = -Σ p log p.

    Args:
        logp: Log-probs, (..., V) float; -inf for tokens that cannot be sampled, which add 0.

    Returns:
        (...) of the same type.
    """
    return torch.special.entr(logp.exp()).sum(-1)

"""Entropy from vLLM (0.32), which reports the log-probs of the likeliest tokens and no entropy.

A request that wants it asks for the log-probs of `NUM_LOGPROBS` tokens. In the worker, where the
whole distribution is at hand, the entropy takes the place of the last of them, and so travels with
the log-probs to the engine's process. Other requests stay as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rllib_gigpo.batch.token_uncertainty import TokenUncertainty
from rllib_gigpo.engines.token_distribution import entropy_of
from rllib_gigpo.errors import EngineError

NUM_LOGPROBS = 3  # beside the sampled token's: the two largest, and the place of the entropy


def add_entropy(sampler: Any) -> None:
    """Make a worker's sampler put the entropy in the place of the last of `NUM_LOGPROBS`.

    Args:
        sampler: The sampler of vLLM's model runner.

    Raises:
        EngineError: It is the sampler of vLLM's second model runner, which works differently.
    """
    gather = getattr(sampler, "gather_logprobs", None)
    if gather is None:
        raise EngineError(
            "vLLM's second model runner cannot report the entropy, which uncertainty_reward and"
            " group_plan='entropy' need: set the environment variable VLLM_USE_V2_MODEL_RUNNER=0,"
            " or leave both out."
        )

    def gather_with_entropy(logprobs: torch.Tensor, num_logprobs: int, **kwargs: Any) -> Any:
        found = gather(logprobs, num_logprobs, **kwargs)
        if num_logprobs == NUM_LOGPROBS:
            found.logprobs[:, -1] = entropy_of(logprobs)
        return found

    sampler.gather_logprobs = gather_with_entropy


def per_token(logp: list[float], num_tokens: int) -> np.ndarray:
    """Return the numbers that vLLM reports for an answer, one row per token: (L, columns)."""
    width = len(logp) // num_tokens if num_tokens else 1
    return np.asarray(logp, np.float32).reshape(num_tokens, width)


def uncertainty_of(logp: np.ndarray, model_config: Any) -> TokenUncertainty | None:
    """Read what the engine returned for one answer.

    Args:
        logp: (L, 1 + NUM_LOGPROBS) float32, the sampled token, the two likeliest, the entropy; or
            (L, 1) for a request that did not ask.
        model_config: vLLM's facts of the model.
    """
    if logp.shape[1] != 1 + NUM_LOGPROBS:
        return None
    return TokenUncertainty(
        entropy=logp[:, NUM_LOGPROBS],
        top_logp=logp[:, 1:3],
        vocab_size=model_config.get_vocab_size(),
    )

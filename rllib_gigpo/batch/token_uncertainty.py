"""How uncertain the model was at each token of an answer, as an engine measures it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class TokenUncertainty:
    """Numbers of the distributions that the L tokens of one answer were sampled from."""

    entropy: np.ndarray  # (L,) float32, H in nats; at most log(vocab_size)
    top_logp: np.ndarray  # (L, 2) float32, log-probs of the two likeliest tokens; -inf if cut
    vocab_size: int  # V, the number of tokens that the model can write

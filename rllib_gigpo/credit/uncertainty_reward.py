"""SELAUR's uncertainty: how unsure the model was of an answer, as a reward for failed episodes.

Paper: SELAUR, arXiv 2602.21158. For a token whose distribution over V tokens has the entropy H and
the two largest probabilities p1 >= p2:

    u_token = (w_H · H / log V  +  w_C · (1 - p1)  +  w_M · (1 - (p1 - p2))) / (w_H + w_C + w_M)
    u_{i,t} = mean of u_token over the response tokens of step t, in [0, 1]

Only episodes that failed are rewarded, so that their steps are not all equally bad: a step in which
the model was unsure is explored further, one in which it was sure of the wrong thing is not.

We know the paper from its summary, which gives neither the weights nor how steps add up. We chose
equal weights, and let an episode of T steps share the coefficient c: r_{i,t} + c · u_{i,t} / T, so
that its return grows by c times its mean uncertainty and a longer failure does not earn more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from rllib_gigpo.batch.token_uncertainty import TokenUncertainty
from rllib_gigpo.credit.group_statistics import group_sizes
from rllib_gigpo.options.records import Options, require


@dataclass(frozen=True, slots=True, kw_only=True)
class UncertaintyReward(Options):
    """SELAUR's reward for failed episodes.

    Attributes:
        coeff: c, in the environment's reward units, above 0; well below the reward of a success.
        entropy_weight: w_H, of the entropy divided by log V; at least 0.
        confidence_weight: w_C, of 1 - p1; at least 0.
        margin_weight: w_M, of 1 - (p1 - p2); at least 0.
        spread: "episode": the steps of an episode share c, so its return grows by c times the mean
            uncertainty; "step": each step gets c times its own, so longer failures earn more.
    """

    can_be_true: ClassVar[bool] = True

    coeff: float = 0.1
    entropy_weight: float = 1.0
    confidence_weight: float = 1.0
    margin_weight: float = 1.0
    spread: Literal["episode", "step"] = "episode"

    def __post_init__(self) -> None:
        """Reject numbers out of range, and weights that are all 0."""
        names = ("entropy_weight", "confidence_weight", "margin_weight")
        require(self, coeff="> 0", **dict.fromkeys(names, ">= 0"))
        if not any(getattr(self, name) for name in names):
            raise ValueError(f"{', '.join(names)} are all 0, so no token is uncertain; set one")

    def of_steps(self, steps: Sequence[TokenUncertainty | None]) -> np.ndarray:
        """Average the uncertainty of each step's tokens.

        Args:
            steps: One item per row; None for an answer without tokens.

        Returns:
            (R,) float64, u_{i,t} in [0, 1]; 0 for an answer without tokens.
        """
        lengths = np.array([0 if one is None else len(one.entropy) for one in steps], np.int64)
        known = [one for one in steps if one is not None]
        if not known:
            return np.zeros(len(steps))
        tokens = self.of_tokens(
            np.concatenate([one.entropy for one in known]),
            np.concatenate([one.top_logp for one in known]),
            vocab_size=known[0].vocab_size,
        )
        rows = np.repeat(np.arange(len(steps)), lengths)
        return np.bincount(rows, tokens, len(steps)) / np.maximum(lengths, 1)

    def of_tokens(
        self, entropy: np.ndarray, top_logp: np.ndarray, *, vocab_size: int
    ) -> np.ndarray:
        """Combine the three measures of each token.

        Args:
            entropy: (S,) H in nats.
            top_logp: (S, 2) log p1 and log p2.
            vocab_size: V, above 1.

        Returns:
            (S,) float64, u_token in [0, 1].
        """
        first, second = np.exp(top_logp.astype(np.float64)).T
        parts = (
            (self.entropy_weight, entropy / np.log(vocab_size)),
            (self.confidence_weight, 1 - first),
            (self.margin_weight, 1 - (first - second)),
        )
        total = sum(weight * part for weight, part in parts) / sum(weight for weight, _ in parts)
        return np.clip(total, 0.0, 1.0)  # float32 may be a little off at the ends

    def __call__(
        self, uncertainty: np.ndarray, won: np.ndarray, trajectory_ids: np.ndarray
    ) -> np.ndarray:
        """Compute what to add to the rewards.

        Args:
            uncertainty: (R,) u_{i,t}.
            won: (R,) bool, whether the row's episode succeeded.
            trajectory_ids: (R,) Unique within the batch.

        Returns:
            (R,) float64; exactly 0 in the rows of successful episodes.
        """
        shares = group_sizes(trajectory_ids) if self.spread == "episode" else 1
        return np.where(won, 0.0, self.coeff * uncertainty / shares)

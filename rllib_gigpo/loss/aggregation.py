"""How token losses become one number: weights of tokens, and one global divisor.

A mini-batch's loss is ``Σ_s v_s·l_s / D``. The weights v belong to the tokens and the divisor D to
the whole mini-batch, over all Learners, so that micro-batches and ranks only ever add up sums.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rllib_gigpo.options.records import require
from rllib_gigpo.options.registry import Registry


@dataclass(frozen=True, slots=True)
class LossAggregation(ABC):
    """Weights v and divisor D, with w_r the weight of row r and n_r its response tokens."""

    name: ClassVar[str] = "custom"

    def token_weights(self, row_weights: np.ndarray, response_lengths: np.ndarray) -> np.ndarray:
        """Weigh each response token: v = w_r, unless a subclass says otherwise.

        Args:
            row_weights: (R,) float; 0 for a row that must not count.
            response_lengths: (R,) int; a row without response tokens adds none.

        Returns:
            (S,) float32 over the response tokens, row after row.
        """
        weights = np.asarray(row_weights, dtype=np.float64)
        return np.repeat(weights, response_lengths).astype(np.float32)

    @abstractmethod
    def divisor(self, *, token_count: float, row_count: float) -> float:
        """Return the one number that a mini-batch's summed loss is divided by.

        Args:
            token_count: Σ_r w_r·n_r over the mini-batch of all Learners.
            row_count: Σ_r w_r over the mini-batch of all Learners.

        Returns:
            The divisor; 0 for a mini-batch in which nothing counts.
        """


@dataclass(frozen=True, slots=True)
class TokenMean(LossAggregation):
    """Every token counts alike: D = Σ_r w_r·n_r."""

    name: ClassVar[str] = "token_mean"

    def divisor(self, *, token_count: float, row_count: float) -> float:
        """Count tokens, see the base class."""
        return float(token_count)


@dataclass(frozen=True, slots=True)
class SeqMeanTokenSum(LossAggregation):
    """The mean over rows of their tokens' sums: D = Σ_r w_r."""

    name: ClassVar[str] = "seq_mean_token_sum"

    def divisor(self, *, token_count: float, row_count: float) -> float:
        """Count rows, see the base class."""
        return float(row_count)


@dataclass(frozen=True, slots=True)
class SeqMeanTokenMean(SeqMeanTokenSum):
    """The mean over rows of their tokens' means: v = w_r / n_r."""

    name: ClassVar[str] = "seq_mean_token_mean"

    def token_weights(self, row_weights: np.ndarray, response_lengths: np.ndarray) -> np.ndarray:
        """Share each row's weight out over its tokens, see the base class."""
        weights = np.asarray(row_weights, dtype=np.float64) / np.maximum(response_lengths, 1)
        return np.repeat(weights, response_lengths).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeqSumNorm(LossAggregation):
    """Dr. GRPO (arXiv 2503.20783): D = constant·Σ_r w_r, so that a token weighs alike in all rows.

    Attributes:
        constant: Tokens, above 0; the longest response, as published.
    """

    name: ClassVar[str] = "seq_sum_norm"

    constant: float

    def __post_init__(self) -> None:
        """Refuse a constant that cannot divide."""
        require(self, constant="> 0")

    def divisor(self, *, token_count: float, row_count: float) -> float:
        """Count rows and multiply, see the base class."""
        return float(row_count) * self.constant


AGGREGATIONS: Registry[LossAggregation] = Registry(
    "loss_aggregation",
    LossAggregation,
    (TokenMean, SeqMeanTokenMean, SeqMeanTokenSum, SeqSumNorm),
)

"""Aggregation of token losses to one number: a weight per token and one global divisor.

The loss of a mini-batch is ``Σ_s v_s·l_s / D``. Each token has a weight v, and the mini-batch as a
whole, over all Learners, has one divisor D, so micro-batches and ranks only ever add up sums.
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
    """Base of the aggregations: weights v and divisor D.

    In the formulas, w_r is the weight of row r and n_r the number of its response tokens.
    """

    name: ClassVar[str] = "custom"

    def token_weights(self, row_weights: np.ndarray, response_lengths: np.ndarray) -> np.ndarray:
        """Return the weight v of each response token: w_r, unless a subclass overrides it.

        Args:
            row_weights: (R,) float, 0 for a row that must not count.
            response_lengths: (R,) int, may be 0.

        Returns:
            (S,) float32, one per response token, row after row.
        """
        weights = np.asarray(row_weights, dtype=np.float64)
        return np.repeat(weights, response_lengths).astype(np.float32)

    @abstractmethod
    def divisor(self, *, token_count: float, row_count: float) -> float:
        """Return the divisor D of a mini-batch's summed loss.

        Args:
            token_count: Σ_r w_r·n_r over the mini-batch on all Learners.
            row_count: Σ_r w_r over the mini-batch on all Learners.

        Returns:
            The divisor; 0 for a mini-batch in which nothing counts.
        """


@dataclass(frozen=True, slots=True)
class TokenMean(LossAggregation):
    """Mean over tokens: D = Σ_r w_r·n_r."""

    name: ClassVar[str] = "token_mean"

    def divisor(self, *, token_count: float, row_count: float) -> float:
        """Return the token count; see the base class."""
        return float(token_count)


@dataclass(frozen=True, slots=True)
class SeqMeanTokenSum(LossAggregation):
    """Mean over rows of the sum over tokens: D = Σ_r w_r."""

    name: ClassVar[str] = "seq_mean_token_sum"

    def divisor(self, *, token_count: float, row_count: float) -> float:
        """Return the row count; see the base class."""
        return float(row_count)


@dataclass(frozen=True, slots=True)
class SeqMeanTokenMean(SeqMeanTokenSum):
    """Mean over rows of the mean over tokens: v = w_r / n_r."""

    name: ClassVar[str] = "seq_mean_token_mean"

    def token_weights(self, row_weights: np.ndarray, response_lengths: np.ndarray) -> np.ndarray:
        """Divide each row's weight among its tokens; see the base class."""
        weights = np.asarray(row_weights, dtype=np.float64) / np.maximum(response_lengths, 1)
        return np.repeat(weights, response_lengths).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeqSumNorm(LossAggregation):
    """Dr. GRPO (arXiv 2503.20783): D = constant·Σ_r w_r, so tokens of all rows weigh the same.

    Attributes:
        constant: Tokens per row in the divisor, above 0; the paper uses the longest response.
    """

    name: ClassVar[str] = "seq_sum_norm"

    constant: float

    def __post_init__(self) -> None:
        """Reject a constant that is not positive."""
        require(self, constant="> 0")

    def divisor(self, *, token_count: float, row_count: float) -> float:
        """Return the row count times the constant; see the base class."""
        return float(row_count) * self.constant


AGGREGATIONS: Registry[LossAggregation] = Registry(
    "loss_aggregation",
    LossAggregation,
    (TokenMean, SeqMeanTokenMean, SeqMeanTokenSum, SeqSumNorm),
)

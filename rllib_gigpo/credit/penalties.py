"""Penalties of answers, in the environment's reward units; connectors add them up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rllib_gigpo.options.records import Options, require


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlongPenalty(Options):
    """DAPO's penalty of answers near the token limit, see `overlong_penalties`.

    Attributes:
        buffer_tokens: How many tokens before the limit it begins to rise from 0, at least 1.
        weight: The penalty at the limit.
    """

    buffer_tokens: int
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        require(self, buffer_tokens=">= 1", weight=">= 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalties(Options):
    """What answers cost.

    Attributes:
        format: Penalty of an answer without valid format, in units of the reward, at least 0.
        admissible: Penalty of an action that is not admissible, at least 0.
        overlong: Penalty of an answer near the token limit; None for none.
        filter_overlong: Leave steps whose answer the limit cut off out of the loss.
        mode: "return": discounted into earlier steps too; "row": taken by the rule from the row of
            the answer only.
    """

    format: float = 0.0
    admissible: float = 0.0
    overlong: OverlongPenalty | None = None
    filter_overlong: bool = False
    mode: Literal["return", "row"] = "return"

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        require(self, format=">= 0", admissible=">= 0")

    @property
    def is_free(self) -> bool:
        """Whether no answer costs anything."""
        return not (self.format or self.admissible or self.overlong)


def invalid_penalties(
    is_format_valid: np.ndarray, is_admissible: np.ndarray, *, format: float, admissible: float
) -> np.ndarray:
    """Penalise invalid answers; one without valid format pays the penalty of its format only.

    Args:
        is_format_valid: (R,) bool.
        is_admissible: (R,) bool.
        format: The penalty of an answer without valid format.
        admissible: The penalty of an action that is not admissible.

    Returns:
        (R,) float64.
    """
    return np.where(is_format_valid, np.where(is_admissible, 0.0, admissible), format)


def overlong_penalties(
    response_lengths: np.ndarray, *, max_tokens: int, buffer_tokens: int, weight: float
) -> np.ndarray:
    """Penalise answers that come close to the limit: 0 up to the buffer, then linear.

    DAPO, arXiv 2503.14476, eq. 13, with the limit in place of the longest allowed length:
    c = weight · clip((length - (max_tokens - buffer_tokens)) / buffer_tokens, 0, 1).

    Args:
        response_lengths: (R,) tokens.
        max_tokens: The limit at which the engine stops an answer.
        buffer_tokens: How many tokens before the limit the penalty begins, above 0.
        weight: The penalty at the limit, in the environment's reward units.

    Returns:
        (R,) float64 in [0, weight].
    """
    excess = np.asarray(response_lengths, dtype=np.float64) - (max_tokens - buffer_tokens)
    return weight * np.clip(excess / buffer_tokens, 0.0, 1.0)

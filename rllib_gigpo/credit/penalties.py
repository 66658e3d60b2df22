"""Penalties for answers, in the environment's reward units; connectors add them up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rllib_gigpo.options.records import Options, require


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlongPenalty(Options):
    """DAPO's penalty for answers near the token limit; see `overlong_penalties`.

    Attributes:
        buffer_tokens: The penalty starts to rise from 0 this many tokens before the limit; at
            least 1.
        weight: Penalty at the limit, at least 0.
    """

    buffer_tokens: int
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Reject numbers out of range."""
        require(self, buffer_tokens=">= 1", weight=">= 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalties(Options):
    """Penalties for invalid and overlong answers.

    Attributes:
        format: Penalty for an answer in an invalid format, in reward units, at least 0.
        admissible: Penalty for an action that is not admissible, at least 0.
        sub_goal: Penalty for an answer that says KEEP although it has no sub-goal to keep, or names
            another one, at least 0; HiPER takes 0.3.
        overlong: Penalty for an answer near the token limit; None for no penalty.
        filter_overlong: Whether the loss leaves out steps whose answer was cut off at the token
            limit.
        mode: "return": lowers the step returns, so discounting carries the penalty into earlier
            steps; "row": the rule subtracts the penalty from the answer's row only.
    """

    format: float = 0.0
    admissible: float = 0.0
    sub_goal: float = 0.0
    overlong: OverlongPenalty | None = None
    filter_overlong: bool = False
    mode: Literal["return", "row"] = "return"

    def __post_init__(self) -> None:
        """Reject numbers out of range."""
        require(self, format=">= 0", admissible=">= 0", sub_goal=">= 0")

    @property
    def is_free(self) -> bool:
        """Whether no answer is penalised."""
        return not (self.format or self.admissible or self.sub_goal or self.overlong)


def invalid_penalties(
    is_format_valid: np.ndarray, is_admissible: np.ndarray, *, format: float, admissible: float
) -> np.ndarray:
    """Penalise invalid answers; an answer in an invalid format gets the format penalty only.

    Args:
        is_format_valid: (R,) bool.
        is_admissible: (R,) bool.
        format: The penalty for an answer in an invalid format.
        admissible: The penalty for an action that is not admissible.

    Returns:
        (R,) float64.
    """
    return np.where(is_format_valid, np.where(is_admissible, 0.0, admissible), format)


def overlong_penalties(
    response_lengths: np.ndarray, *, max_tokens: int, buffer_tokens: int, weight: float
) -> np.ndarray:
    """Penalise answers close to the limit: 0 up to the buffer, then linear.

    DAPO, arXiv 2503.14476, eq. 13, with the limit as the longest allowed length:
    c = weight · clip((length - (max_tokens - buffer_tokens)) / buffer_tokens, 0, 1).

    Args:
        response_lengths: (R,) Tokens of each answer.
        max_tokens: The limit at which the engine stops an answer.
        buffer_tokens: The penalty starts this many tokens before the limit; above 0.
        weight: The penalty at the limit, in the environment's reward units.

    Returns:
        (R,) float64 in [0, weight].
    """
    excess = np.asarray(response_lengths, dtype=np.float64) - (max_tokens - buffer_tokens)
    return weight * np.clip(excess / buffer_tokens, 0.0, 1.0)

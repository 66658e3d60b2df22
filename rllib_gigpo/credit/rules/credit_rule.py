"""The interface of credit rules: columns of the batch in, advantages out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rllib_gigpo import columns as names


@dataclass(frozen=True, slots=True)
class Advantages:
    """One advantage per row, or one per response token.

    Attributes:
        episode: (R,) float64, the episode advantage A^E before its weight; 0 if the rule has none.
        step: (R,) float64, the step advantage A^S before its weight; 0 if the rule has none.
        total: (R,) float64, the advantage in the loss, before whitening and clipping.
        value_targets: (R,) float64, the targets of the critic; None without a critic.
        tokens: (S,) float64, one per response token, row after row, which the loss then uses
            instead of ``total``; None if all tokens of a row share its advantage.
    """

    episode: np.ndarray
    step: np.ndarray
    total: np.ndarray
    value_targets: np.ndarray | None = None
    tokens: np.ndarray | None = None


class CreditRule(ABC):
    """Base of the rules that give each step, or each response token, its advantage.

    Subclass it as a frozen dataclass whose fields are its options, as in ``rule={"name":
    "package.module:Class", "option": 1.0}``. Fields named ``gamma``, ``step_weight`` or
    ``episode_weight`` are filled from the settings of the same names.
    A rule is pure: it has no state and changes no column.

    Attributes:
        name: Short name for messages and tables.
        needs: Names of the columns it reads (see `rllib_gigpo.columns`); None if it may read any.
    """

    name: ClassVar[str] = "custom"
    needs: ClassVar[frozenset[str] | None] = None

    @property
    def compares_within_groups(self) -> bool:
        """Whether the rule compares episodes of one task, so a group needs at least two.

        Override it with False in a rule that does not: ``group_size`` may then be 1.
        """
        return True

    @abstractmethod
    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Compute the advantages of all rows of a batch.

        Args:
            columns: At least the columns in ``needs``, each (R,), with the rows in any order.

        Returns:
            The advantages, in the order of the rows.
        """


@dataclass(frozen=True, slots=True)
class FunctionRule(CreditRule):
    """A rule made of a plain function.

    Attributes:
        function: Takes all columns of the credit pipeline and returns `Advantages`, or just an
            array: (R,), one advantage per row, or (S,), one per response token.
    """

    name: ClassVar[str] = "function"
    needs: ClassVar[frozenset[str] | None] = None

    function: Callable[[Mapping[str, np.ndarray]], Advantages | np.ndarray]

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Call the function; an array that it returns becomes the step advantages.

        Raises:
            ValueError: The array has neither one entry per row nor one per response token.
        """
        result = self.function(columns)
        if isinstance(result, Advantages):
            return result
        values = np.asarray(result, dtype=np.float64)
        lengths = columns[names.RESPONSE_LENGTHS]
        num_rows, num_tokens = len(lengths), int(lengths.sum())
        if values.shape == (num_rows,):
            return Advantages(episode=np.zeros(num_rows), step=values, total=values)
        if values.shape != (num_tokens,):
            raise ValueError(
                f"The rule {self.function!r} returned shape {values.shape}; return"
                f" ({num_rows},), one advantage per row, or ({num_tokens},), one per token."
            )
        return per_token(values, lengths)


def per_token(tokens: np.ndarray, response_lengths: np.ndarray) -> Advantages:
    """Wrap the advantages of single tokens; the metrics see the mean of each row.

    Args:
        tokens: (S,) One per response token, row after row.
        response_lengths: (R,) The number of response tokens in each row.

    Returns:
        Advantages with ``tokens``, and the means as step advantages.
    """
    rows = np.repeat(np.arange(len(response_lengths)), response_lengths)
    sums = np.bincount(rows, tokens, len(response_lengths))
    means = sums / np.maximum(response_lengths, 1)
    return Advantages(episode=np.zeros_like(means), step=means, total=means, tokens=tokens)

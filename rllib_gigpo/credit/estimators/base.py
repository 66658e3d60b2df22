"""What an estimator is: columns of the batch in, advantages out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True, slots=True)
class Advantages:
    """One advantage per row, the same for every response token of the step.

    Attributes:
        episode: (R,) float64, the episode level A^E before its weight; 0 if there is none.
        step: (R,) float64, the step level A^S before its weight; 0 if there is none.
        total: (R,) float64, what the loss uses, before whitening and clipping.
        value_targets: (R,) float64, what a critic should learn; None without one.
    """

    episode: np.ndarray
    step: np.ndarray
    total: np.ndarray
    value_targets: np.ndarray | None = None


class Estimator(ABC):
    """A rule that gives each step its advantage.

    Subclass it as a frozen dataclass: its fields are its settings, filled from the settings of the
    same name in the config. There the class is named by import path: ``"package.module:Class"``.
    An estimator is pure: it has no state and changes no column.

    Attributes:
        name: Short name for messages and tables.
        needs: Names of the columns it reads, see `rllib_gigpo.columns`.
    """

    name: ClassVar[str]
    needs: ClassVar[frozenset[str]]

    @property
    def compares_within_groups(self) -> bool:
        """Whether rows of one task are compared, so that a group needs two episodes.

        Override it with False in a rule that compares none: ``group_size`` may then be 1.
        """
        return True

    @abstractmethod
    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Compute the advantages of all rows of a batch.

        Args:
            columns: At least those named in ``needs``, each (R,), the rows in any order.

        Returns:
            Three arrays (R,).
        """


@dataclass(frozen=True, slots=True)
class FunctionEstimator(Estimator):
    """A user's plain function as an estimator.

    Attributes:
        function: Gets all columns of the credit pipeline and returns `Advantages`, or the (R,)
            advantages alone.
    """

    name: ClassVar[str] = "function"
    needs: ClassVar[frozenset[str]] = frozenset()

    function: Callable[[Mapping[str, np.ndarray]], Advantages | np.ndarray]

    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Call the function; what it returns alone counts as the step level."""
        result = self.function(columns)
        if isinstance(result, Advantages):
            return result
        total = np.asarray(result, dtype=np.float64)
        return Advantages(episode=np.zeros_like(total), step=total, total=total)

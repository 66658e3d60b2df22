"""What an estimator is: columns of the batch in, advantages out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
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
    """

    episode: np.ndarray
    step: np.ndarray
    total: np.ndarray


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

    @abstractmethod
    def __call__(self, columns: Mapping[str, np.ndarray]) -> Advantages:
        """Compute the advantages of all rows of a batch.

        Args:
            columns: At least those named in ``needs``, each (R,), the rows in any order.

        Returns:
            Three arrays (R,).
        """

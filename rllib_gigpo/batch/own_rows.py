"""The rows that episodes chose themselves, among those that forks repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rllib_gigpo import columns as names


def is_fork(episode: Any) -> bool:
    """Return whether an episode repeats the start of another one."""
    return names.FORK in episode.custom_data


@dataclass(frozen=True, slots=True, eq=False)
class OwnRows:
    """A selection of rows and of their response tokens.

    A fork repeats the first steps of another episode. These rows count in its episode return, but
    neither in the comparisons of a rule nor in the loss: they are the other episode's.

    Attributes:
        is_own: (R,) bool, whether the row's episode chose the answer.
        lengths: (R,) int64, response tokens.
    """

    is_own: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, batch: Mapping[str, Any]) -> OwnRows:
        """Read a batch; without forks, all rows are the episodes' own."""
        lengths = batch[names.RESPONSE_LENGTHS]
        if names.IS_REPLAYED not in batch:
            return cls(np.ones(len(lengths), dtype=bool), lengths)
        return cls(~batch[names.IS_REPLAYED], lengths)

    def columns(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the batch with the own rows alone, and STEP_IDS from 0 in each trajectory."""
        if self.is_own.all():
            return batch
        selected = {name: self._selected(column) for name, column in batch.items()}
        trajectory_ids = batch[names.TRAJECTORY_IDS]
        num_repeated = np.bincount(trajectory_ids, ~self.is_own).astype(np.int64)
        first = num_repeated[trajectory_ids]
        selected[names.STEP_IDS] = (batch[names.STEP_IDS] - first)[self.is_own]
        return selected

    def rows(self, values: Any) -> Any:
        """Return the own ones of R values, as an array or a list."""
        if self.is_own.all():
            return values
        if isinstance(values, np.ndarray):
            return values[self.is_own]
        return [one for one, is_own in zip(values, self.is_own.tolist(), strict=True) if is_own]

    def tokens(self, values: np.ndarray) -> np.ndarray:
        """Return the own ones of S values, one for each response token."""
        return values if self.is_own.all() else values[self._is_own_token]

    def with_zeros(self, values: np.ndarray) -> np.ndarray:
        """Put a value for each own row between zeros: (own R,) becomes (R,)."""
        return _spread(values, self.is_own)

    def tokens_with_zeros(self, values: np.ndarray) -> np.ndarray:
        """Put a value for each own response token between zeros: (own S,) becomes (S,)."""
        return _spread(values, self._is_own_token)

    @property
    def _is_own_token(self) -> np.ndarray:
        return np.repeat(self.is_own, self.lengths)

    def _selected(self, column: Any) -> Any:
        """Select from a column with an entry for each row; return others unchanged."""
        if isinstance(column, list | np.ndarray) and len(column) == len(self.is_own):
            return self.rows(column)
        return column


def _spread(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    if chosen.all():
        return values
    result = np.zeros(len(chosen), dtype=values.dtype)
    result[chosen] = values
    return result

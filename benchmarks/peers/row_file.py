"""Token rows as a file that both sides read: the arrays of `TokenRows`, and each row's episode.

NumPy only, so that the peer's virtual environment needs neither Ray nor vLLM.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from rllib_gigpo.batch.token_rows import TokenRows


@dataclass(frozen=True, slots=True, eq=False)
class RecordedRows:
    """The rows of one iteration.

    Attributes:
        rows: R rows, one per step, of all Learners.
        trajectory_ids: (R,) int64, the episode of each row.
    """

    rows: TokenRows
    trajectory_ids: np.ndarray

    @property
    def num_tokens(self) -> int:
        """The number of prompt and response tokens, without padding."""
        return len(self.rows.token_ids)

    def trimmed(self, multiple: int) -> RecordedRows:
        """Drop the last rows, so that the number of rows is a multiple of ``multiple``.

        TRL cuts a batch into micro-batches of equal numbers of rows.
        """
        kept = np.arange(self.rows.num_rows - self.rows.num_rows % multiple)
        return RecordedRows(recounted(self.rows.select(kept)), self.trajectory_ids[kept])


def recounted(rows: TokenRows) -> TokenRows:
    """Count tokens and rows of the mini-batches again, after rows were dropped."""
    ids, number = rows.minibatch_ids, rows.num_minibatches
    return replace(
        rows,
        minibatch_token_counts=np.bincount(ids, rows.weights * rows.response_lengths, number),
        minibatch_row_counts=np.bincount(ids, rows.weights, number),
    )


def write_rows(path: Path, recorded: RecordedRows) -> None:
    """Write the rows to an .npz file; columns that are None are left out."""
    columns = {field.name: getattr(recorded.rows, field.name) for field in fields(TokenRows)}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        trajectory_ids=recorded.trajectory_ids,
        **{name: column for name, column in columns.items() if column is not None},
    )


def read_rows(path: Path) -> RecordedRows:
    """Read what `write_rows` wrote."""
    with np.load(path) as file:
        arrays = dict(file)
    trajectory_ids = arrays.pop("trajectory_ids")
    return RecordedRows(TokenRows(**arrays), trajectory_ids)

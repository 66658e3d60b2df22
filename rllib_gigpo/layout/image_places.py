"""Where the images of some rows stand in a micro-batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.micro_batch import MicroBatchImages


def image_places(
    rows: TokenRows, row_ids: np.ndarray, paths: Sequence[np.ndarray]
) -> MicroBatchImages | None:
    """Return the images of some rows; a place that several rows share counts once.

    Args:
        rows: All rows.
        row_ids: (K,) int, the rows of the micro-batch.
        paths: For each of them, the places of its tokens among the B·L positions, int arrays.

    Returns:
        The images; None if the rows show none.
    """
    if rows.images is None:
        return None
    shown = rows.images.select(row_ids)
    owners = np.repeat(np.arange(len(row_ids)), shown.row_counts)
    positions: dict[int, np.ndarray] = {}  # by the first of them
    image_ids: dict[int, int] = {}
    for owner, start, length, image in zip(
        owners.tolist(),
        shown.starts.tolist(),
        shown.lengths.tolist(),
        shown.image_ids.tolist(),
        strict=True,
    ):
        part = paths[owner][start : start + length]
        positions[int(part[0])], image_ids[int(part[0])] = part, image
    if not positions:
        return None
    return MicroBatchImages(
        images=shown.images,
        image_ids=torch.tensor(list(image_ids.values()), dtype=torch.int64),
        positions=torch.from_numpy(np.concatenate(list(positions.values())).astype(np.int64)),
    )

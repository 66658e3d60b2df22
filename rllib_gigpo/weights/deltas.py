"""The difference between two versions of a tensor, bit by bit in the engine's type.

After a step with a small learning rate most weights are the same in bfloat16, so that few elements
travel. Nothing is rounded: the changed bits replace the old ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rllib_gigpo.weights.checksum import as_bits


@dataclass(frozen=True, slots=True)
class Delta:
    """The changed elements of a tensor of N elements, in flat order.

    Attributes:
        places: (C,) int32 or int64, their indices; or (⌈N / 8⌉,) uint8, a bit for each element.
        values: (C,) the bits of the new values, as integers of the element's size.
    """

    places: np.ndarray
    values: np.ndarray

    @property
    def nbytes(self) -> int:
        """Bytes that travel."""
        return self.places.nbytes + self.values.nbytes

    def apply(self, tensor: torch.Tensor) -> None:
        """Write the new values into a contiguous CPU tensor, in place."""
        bits = as_bits(tensor).numpy()
        if self.places.dtype == np.uint8:
            mask = np.unpackbits(self.places, count=bits.size).view(bool)
            bits[mask] = self.values
        else:
            bits[self.places] = self.values


def difference(old: torch.Tensor, new: torch.Tensor) -> Delta | torch.Tensor:
    """Return what turns one tensor into another: indices, a bit mask, or the whole tensor.

    The smallest of the three is returned.

    Args:
        old: A contiguous CPU tensor.
        new: A contiguous CPU tensor of the same shape and type.
    """
    before, after = as_bits(old).numpy(), as_bits(new).numpy()
    changed = before != after
    num_changed = int(np.count_nonzero(changed))
    index = np.int32 if after.size <= np.iinfo(np.int32).max else np.int64
    num_values = num_changed * after.itemsize
    by_index = num_values + num_changed * np.dtype(index).itemsize
    by_mask = num_values + -(-after.size // 8)
    if min(by_index, by_mask) >= after.nbytes:
        return new
    is_mask = by_mask < by_index
    places = np.packbits(changed) if is_mask else np.flatnonzero(changed).astype(index)
    return Delta(places, after[changed])

"""Definitions of a state for the map: as rare as wanted, or blind to the parcel."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from rllib_gigpo.credit.anchors import AnchorMatch, exact_anchor_groups
from rllib_gigpo.options.records import require


@dataclass(frozen=True, slots=True, kw_only=True)
class SometimesUnique(AnchorMatch):
    """Exact anchors, of which each row's is made unique with a probability.

    The batch determines which rows, so a run can be repeated.

    Attributes:
        unique_probability: The probability; 0 leaves the anchors as they are, and with 1 no state
            recurs.
    """

    name: ClassVar[str] = "sometimes_unique"

    unique_probability: float = 0.0

    def __post_init__(self) -> None:
        """Check that the probability is one."""
        AnchorMatch.__post_init__(self)  # super() does not work in a class with slots
        require(self, unique_probability=">= 0, <= 1")

    def groups(self, anchors: Sequence[Hashable], group_ids: np.ndarray, *_: Any) -> np.ndarray:
        """Group equal anchors, then take rows out of their groups; see the base class."""
        labels = exact_anchor_groups(anchors, group_ids)
        content = zlib.crc32(repr((len(anchors), list(anchors[:100]))).encode())
        draws = np.random.default_rng(content).random(len(labels))
        is_unique = draws < self.unique_probability
        result = labels.copy()
        result[is_unique] = labels.max(initial=-1) + 1 + np.arange(is_unique.sum())
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutParcel(AnchorMatch):
    """States of Delivery-v0 without the parcel: where the agent is, on which map.

    Whether the agent carries the parcel, and where it lies, is what other games call the inventory.
    """

    name: ClassVar[str] = "without_parcel"

    def groups(self, anchors: Sequence[Hashable], group_ids: np.ndarray, *_: Any) -> np.ndarray:
        """Group equal maps; see the base class."""
        hidden = str.maketrans("PTCF", ".AAE")
        return exact_anchor_groups([str(anchor).translate(hidden) for anchor in anchors], group_ids)

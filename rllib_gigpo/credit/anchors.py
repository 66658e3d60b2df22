"""Anchor groups: the steps of one task group that start from the same state (GiGPO, eq. 6).

A result is (R,) int64 labels: rows with equal labels form one group. Only the partition has a
meaning; the numbers are small and non-negative, and depend on the order of the rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, ClassVar

import numpy as np

from rllib_gigpo.credit.anchor_checks import check_hashable, check_text
from rllib_gigpo.credit.text_similarity import Founders, Ratio, founders_factory
from rllib_gigpo.options.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorMatch(ABC):
    """Which anchors count as the same state.

    Attributes:
        within_trajectory: Whether a state that one trajectory visits again counts again. If not,
            the first visit alone stays in the group.
    """

    name: ClassVar[str] = "custom"

    within_trajectory: bool = True

    def __call__(
        self,
        anchors: Sequence[Hashable],
        group_ids: np.ndarray,
        trajectory_ids: np.ndarray,
        step_ids: np.ndarray,
    ) -> np.ndarray:
        """Group the rows of each task by their anchors.

        Args:
            anchors: R hashable states.
            group_ids: (R,) the task group of each row; anchors are compared inside one only.
            trajectory_ids: (R,) unique over the batch.
            step_ids: (R,) ascending along a trajectory.

        Returns:
            (R,) int64 labels.

        Raises:
            ValueError: Lengths differ, or an anchor is NaN.
            TypeError: An anchor is not hashable, or not text where text is needed.
        """
        labels = self.groups(anchors, group_ids, trajectory_ids, step_ids)
        if self.within_trajectory:
            return labels
        return split_later_visits(labels, trajectory_ids, step_ids)

    @abstractmethod
    def groups(
        self,
        anchors: Sequence[Hashable],
        group_ids: np.ndarray,
        trajectory_ids: np.ndarray,
        step_ids: np.ndarray,
    ) -> np.ndarray:
        """Label the rows, every visit counted; see ``__call__``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactAnchors(AnchorMatch):
    """Equal anchors, see `exact_anchor_groups`."""

    name: ClassVar[str] = "exact"

    def groups(self, anchors: Sequence[Hashable], group_ids: np.ndarray, *_: Any) -> np.ndarray:
        """Compare for equality, see the base class."""
        return exact_anchor_groups(anchors, group_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarAnchors(AnchorMatch):
    """Similar texts, see `similar_anchor_groups`.

    Attributes:
        threshold: Least similarity of two anchors, inside (0, 1).
        ratio: "indel" (rapidfuzz), "difflib", or a function ``(founder, text) -> ratio``, itself or
            by its import path.
    """

    name: ClassVar[str] = "similar"

    threshold: float = 0.9
    ratio: Ratio = "indel"

    def __post_init__(self) -> None:
        """Refuse a threshold out of range and an unknown ratio."""
        founders_factory(self.ratio, threshold=self.threshold)

    def groups(
        self,
        anchors: Sequence[Hashable],
        group_ids: np.ndarray,
        trajectory_ids: np.ndarray,
        step_ids: np.ndarray,
    ) -> np.ndarray:
        """Compare as texts, see the base class."""
        return similar_anchor_groups(
            anchors,
            group_ids,
            trajectory_ids,
            step_ids,
            threshold=self.threshold,
            ratio=self.ratio,
        )


@dataclass(frozen=True, slots=True)
class AnchorKeys(AnchorMatch):
    """A user's own keys, such as the clusters of an embedding model.

    Attributes:
        function: From the list of all R anchors to R hashable keys that are compared instead.
    """

    name: ClassVar[str] = "function"

    function: Callable[[list[Any]], Sequence[Hashable]]

    def groups(self, anchors: Sequence[Hashable], group_ids: np.ndarray, *_: Any) -> np.ndarray:
        """Compare the keys for equality, see the base class."""
        return exact_anchor_groups(list(self.function(list(anchors))), group_ids)


ANCHORS: Registry[AnchorMatch] = Registry(
    "anchor",
    AnchorMatch,
    (ExactAnchors, SimilarAnchors),
    wrap=AnchorKeys,
)


def exact_anchor_groups(anchors: Sequence[Hashable], group_ids: np.ndarray) -> np.ndarray:
    """Group the rows of one task whose anchors are equal.

    Equality is Python's own (so 1 and 1.0 are equal) and is decided by comparing, never by hash
    values alone. O(R).

    Args:
        anchors: R hashable states.
        group_ids: (R,) int64, the task group of each row.

    Returns:
        (R,) int64 labels in [0, number of groups).

    Raises:
        ValueError: Lengths differ, or an anchor is NaN, which equals nothing.
        TypeError: An anchor is not hashable.
    """
    group_ids = np.asarray(group_ids)
    anchors = anchors if isinstance(anchors, list) else list(anchors)
    if group_ids.shape != (len(anchors),):
        raise ValueError(
            f"{len(anchors)} anchors and group_ids {group_ids.shape} must have one entry per row."
        )
    if any(type(anchor) is not str for anchor in anchors):
        check_hashable(anchors)
    # One dictionary a task, whose missing anchors get the next number.
    labels_of = defaultdict[int, dict[Hashable, int]](partial(defaultdict, count().__next__))
    pairs = zip(group_ids.tolist(), anchors, strict=True)
    return np.array([labels_of[group_id][anchor] for group_id, anchor in pairs], dtype=np.int64)


def similar_anchor_groups(
    anchors: Sequence[Hashable],
    group_ids: np.ndarray,
    trajectory_ids: np.ndarray,
    step_ids: np.ndarray,
    *,
    threshold: float,
    ratio: Ratio = "indel",
) -> np.ndarray:
    """Group the rows of one task whose anchors are similar texts: greedy first fit.

    In the order (trajectory, step), whatever order the rows arrive in, an anchor joins the oldest
    cluster whose first member has a ratio of at least ``threshold`` to it, or founds a cluster.

    Args:
        anchors: R texts.
        group_ids: (R,) int64, the task group of each row.
        trajectory_ids: (R,) unique over the batch.
        step_ids: (R,) ascending along a trajectory.
        threshold: Inside (0, 1).
        ratio: "indel", "difflib" or a function.

    Returns:
        (R,) int64 labels.

    Raises:
        ValueError: ``threshold`` or ``ratio`` is not valid, or lengths differ.
        TypeError: An anchor is not text.
        MissingExtraError: The indel ratio is asked for and rapidfuzz is not installed.
    """
    make_founders = founders_factory(ratio, threshold=threshold)
    check_text(anchors)
    # Equal texts always end in one cluster, so that each text is compared once only.
    text_ids = exact_anchor_groups(anchors, group_ids)
    order = np.lexsort((step_ids, trajectory_ids, group_ids))
    _, first_positions = np.unique(text_ids[order], return_index=True)
    cluster_of_text = np.arange(len(first_positions))
    founders: dict[int, Founders] = defaultdict(make_founders)
    founding_texts: dict[int, list[int]] = defaultdict(list)
    for row in order[np.sort(first_positions)].tolist():
        group_id, text, text_id = int(group_ids[row]), str(anchors[row]), text_ids[row]
        number = founders[group_id].first_similar(text)
        if number is None:
            founders[group_id].add(text)
            founding_texts[group_id].append(text_id)
        else:
            cluster_of_text[text_id] = founding_texts[group_id][number]
    return cluster_of_text[text_ids]


def split_later_visits(
    labels: np.ndarray, trajectory_ids: np.ndarray, step_ids: np.ndarray
) -> np.ndarray:
    """Keep a trajectory's first visit in an anchor group; later ones become groups of their own.

    Args:
        labels: (R,) int64 anchor groups, non-negative.
        trajectory_ids: (R,) unique over the batch.
        step_ids: (R,) ascending along a trajectory; the least one is the first visit.

    Returns:
        (R,) int64 labels.
    """
    order = np.lexsort((step_ids, trajectory_ids, labels))
    sorted_labels, sorted_trajectories = labels[order], trajectory_ids[order]
    is_later = np.zeros(len(labels), dtype=bool)
    is_later[order[1:]] = (sorted_labels[1:] == sorted_labels[:-1]) & (
        sorted_trajectories[1:] == sorted_trajectories[:-1]
    )
    result = labels.copy()
    result[is_later] = labels.max(initial=-1) + 1 + np.arange(is_later.sum())
    return result

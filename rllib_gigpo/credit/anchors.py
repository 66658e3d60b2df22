"""Anchor groups: the steps of one task group that start from the same state (GiGPO, eq. 6).

Groups are returned as (R,) int64 labels: rows with equal labels form one group. Only the partition
is meaningful; the labels are small, non-negative and depend on the order of the rows.
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
from rllib_gigpo.media.image_marks import marks_of
from rllib_gigpo.options.records import require
from rllib_gigpo.options.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorMatch(ABC):
    """Base of the strategies that decide which anchors are the same state.

    Attributes:
        within_trajectory: Whether all visits of a trajectory to a state join its group; otherwise
            only the first visit does.
        context: Number of earlier states that must be the same too; steps with fewer states behind
            them match if all of these are the same. For agents that see the whole conversation
            (HGPO's context, arXiv 2602.22817); 0 compares the states alone.
    """

    name: ClassVar[str] = "custom"

    within_trajectory: bool = True
    context: int = 0

    def __post_init__(self) -> None:
        """Reject a negative number of states."""
        require(self, context=">= 0")

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
            group_ids: (R,) The task group of each row; anchors are compared only within one.
            trajectory_ids: (R,) Unique within the batch.
            step_ids: (R,) Ascending along a trajectory.

        Returns:
            (R,) int64 labels.

        Raises:
            ValueError: The lengths differ, or an anchor is NaN.
            TypeError: An anchor is not hashable, or not text although text is required.
        """
        labels = self.groups(anchors, group_ids, trajectory_ids, step_ids)
        if self.context:
            labels = with_earlier_labels(labels, trajectory_ids, step_ids, context=self.context)
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
        """Label the rows and count every visit; see ``__call__``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactAnchors(AnchorMatch):
    """Anchors that must be equal; see `exact_anchor_groups`."""

    name: ClassVar[str] = "exact"

    def groups(self, anchors: Sequence[Hashable], group_ids: np.ndarray, *_: Any) -> np.ndarray:
        """Group equal anchors; see the base class."""
        return exact_anchor_groups(anchors, group_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarAnchors(AnchorMatch):
    """Anchors that are similar texts; see `similar_anchor_groups`.

    Attributes:
        threshold: Smallest similarity of two anchors that count as the same, in (0, 1).
        ratio: "indel" (rapidfuzz), "difflib", or a function ``(founder, text) -> ratio`` or its
            import path.
    """

    name: ClassVar[str] = "similar"

    threshold: float = 0.9
    ratio: Ratio = "indel"

    def __post_init__(self) -> None:
        """Reject a threshold or context out of range and an unknown ratio."""
        AnchorMatch.__post_init__(self)  # super() does not work in a class with slots
        founders_factory(self.ratio, threshold=self.threshold)

    def groups(
        self,
        anchors: Sequence[Hashable],
        group_ids: np.ndarray,
        trajectory_ids: np.ndarray,
        step_ids: np.ndarray,
    ) -> np.ndarray:
        """Group similar texts; see the base class."""
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
    """Anchors grouped by custom keys, such as the clusters of an embedding model.

    Attributes:
        function: Maps the list of all R anchors to R hashable keys, which are compared instead.
    """

    name: ClassVar[str] = "function"

    function: Callable[[list[Any]], Sequence[Hashable]]

    def groups(self, anchors: Sequence[Hashable], group_ids: np.ndarray, *_: Any) -> np.ndarray:
        """Group the rows with equal keys; see the base class."""
        return exact_anchor_groups(list(self.function(list(anchors))), group_ids)


ANCHORS: Registry[AnchorMatch] = Registry(
    "anchor",
    AnchorMatch,
    (ExactAnchors, SimilarAnchors),
    wrap=AnchorKeys,
)


def exact_anchor_groups(anchors: Sequence[Hashable], group_ids: np.ndarray) -> np.ndarray:
    """Group the rows of one task whose anchors are equal.

    Equality is Python's ``==`` (so 1 equals 1.0), never a comparison of hashes alone. O(R).

    Args:
        anchors: R hashable states.
        group_ids: (R,) int64, the task group of each row.

    Returns:
        (R,) int64 labels in [0, number of groups).

    Raises:
        ValueError: The lengths differ, or an anchor is NaN, which never equals itself.
        TypeError: An anchor is not hashable.
    """
    group_ids = np.asarray(group_ids)
    anchors = anchors if isinstance(anchors, list) else list(anchors)
    if group_ids.shape != (len(anchors),):
        raise ValueError(
            f"{len(anchors)} anchors and group_ids {group_ids.shape} do not match; both need one"
            " entry per row."
        )
    if any(type(anchor) is not str for anchor in anchors):
        check_hashable(anchors)
    # One dictionary per task; a new anchor gets the next number.
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
    """Group the rows of one task whose anchors are similar texts, by greedy first fit.

    Rows are visited in the order (trajectory, step), whatever order they arrive in. An anchor joins
    the oldest cluster whose first member has a ratio of at least ``threshold`` to it; if there is
    none, it founds a cluster. Texts that show different images are never similar.

    Args:
        anchors: R texts.
        group_ids: (R,) int64, the task group of each row.
        trajectory_ids: (R,) Unique within the batch.
        step_ids: (R,) Ascending along a trajectory.
        threshold: The smallest ratio of similar texts, in (0, 1).
        ratio: "indel", "difflib" or a function.

    Returns:
        (R,) int64 labels.

    Raises:
        ValueError: ``threshold`` or ``ratio`` is invalid, or the lengths differ.
        TypeError: An anchor is not text.
        MissingExtraError: The ratio is "indel" and rapidfuzz is not installed.
    """
    make_founders = founders_factory(ratio, threshold=threshold)
    check_text(anchors, 'anchor="exact"')
    # Equal texts always join the same cluster, so each text is compared only once.
    text_ids = exact_anchor_groups(anchors, group_ids)
    order = np.lexsort((step_ids, trajectory_ids, group_ids))
    _, first_positions = np.unique(text_ids[order], return_index=True)
    cluster_of_text = np.arange(len(first_positions))
    founders: dict[Hashable, Founders] = defaultdict(make_founders)
    founding_texts: dict[Hashable, list[int]] = defaultdict(list)
    for row in order[np.sort(first_positions)].tolist():
        text, text_id = str(anchors[row]), text_ids[row]
        comparable = int(group_ids[row]), marks_of(text)  # the hashes of images are not words
        number = founders[comparable].first_similar(text)
        if number is None:
            founders[comparable].add(text)
            founding_texts[comparable].append(text_id)
        else:
            cluster_of_text[text_id] = founding_texts[comparable][number]
    return cluster_of_text[text_ids]


def with_earlier_labels(
    labels: np.ndarray, trajectory_ids: np.ndarray, step_ids: np.ndarray, *, context: int
) -> np.ndarray:
    """Split anchor groups by the groups of the steps before each step.

    Args:
        labels: (R,) int64 anchor groups, non-negative.
        trajectory_ids: (R,) Unique within the batch.
        step_ids: (R,) Ascending along a trajectory.
        context: Number of earlier steps, K. A step with fewer before it matches only steps with as
            many.

    Returns:
        (R,) int64 labels in [0, number of groups).
    """
    order = np.lexsort((step_ids, trajectory_ids))
    ordered, trajectories = labels[order], trajectory_ids[order]
    chains = np.full((context + 1, len(labels)), -1, dtype=np.int64)  # -1: no such step
    chains[0] = ordered
    for back in range(1, min(context, len(labels) - 1) + 1):
        is_same = trajectories[back:] == trajectories[: len(labels) - back]
        chains[back, back:] = np.where(is_same, ordered[: len(labels) - back], -1)
    _, numbers = np.unique(chains, axis=1, return_inverse=True)
    result = np.empty_like(labels)
    result[order] = numbers.reshape(-1)
    return result


def next_labels(labels: np.ndarray, trajectory_ids: np.ndarray, step_ids: np.ndarray) -> np.ndarray:
    """Give each step the anchor group of the step after it.

    Args:
        labels: (R,) int64 anchor groups, non-negative.
        trajectory_ids: (R,) Unique within the batch.
        step_ids: (R,) Ascending along a trajectory.

    Returns:
        (R,) int64 labels; -1 for the last step of a trajectory.
    """
    order = np.lexsort((step_ids, trajectory_ids))
    result = np.full(len(labels), -1, dtype=np.int64)
    has_next = trajectory_ids[order][1:] == trajectory_ids[order][:-1]
    result[order[:-1][has_next]] = labels[order[1:][has_next]]
    return result


def split_later_visits(
    labels: np.ndarray, trajectory_ids: np.ndarray, step_ids: np.ndarray
) -> np.ndarray:
    """Keep a trajectory's first visit in an anchor group; each later visit becomes its own group.

    Args:
        labels: (R,) int64 anchor groups, non-negative.
        trajectory_ids: (R,) Unique within the batch.
        step_ids: (R,) Ascending along a trajectory; the smallest marks the first visit.

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

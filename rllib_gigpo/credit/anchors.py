"""Anchor groups: the steps of one task group that start from the same state (GiGPO, eq. 6).

A result is (R,) int64 labels: rows with equal labels form one group. Only the partition has a
meaning; the numbers are small and non-negative, and depend on the order of the rows.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from itertools import count, pairwise
from operator import itemgetter
from typing import Any

import numpy as np

from rllib_gigpo.credit.anchor_checks import check_hashable, check_text
from rllib_gigpo.credit.imported import imported
from rllib_gigpo.credit.text_similarity import Founders, Ratio, founders_factory

AnchorMatch = str | Callable[[list[Any]], Sequence[Hashable]]
ANCHOR_MATCHES = ("exact", "similar")


def anchor_groups(
    anchors: Sequence[Hashable],
    group_ids: np.ndarray,
    trajectory_ids: np.ndarray,
    step_ids: np.ndarray,
    *,
    anchor: AnchorMatch = "exact",
    threshold: float = 0.9,
    ratio: Ratio = "indel",
    within_trajectory: bool = True,
) -> np.ndarray:
    """Group rows by their anchors as the settings say.

    Args:
        anchors: R hashable states; text for ``anchor="similar"``.
        group_ids: (R,) the task group of each row; anchors are compared inside one only.
        trajectory_ids: (R,) unique over the batch.
        step_ids: (R,) ascending along a trajectory.
        anchor: "exact" (equality), "similar", or a function from the list of all R anchors to R
            hashable keys that are compared in their place, itself or by its import path.
        threshold: Least ratio of two similar anchors, inside (0, 1).
        ratio: "indel", "difflib" or a function, see `rllib_gigpo.credit.text_similarity`.
        within_trajectory: Whether a state that one trajectory visits again counts again. If not,
            the first visit alone stays in the group.

    Returns:
        (R,) int64 labels.

    Raises:
        ValueError: A setting is unknown or out of range, lengths differ, or an anchor is NaN.
        TypeError: An anchor is not hashable, or not text where text is needed.
        MissingExtraError: The indel ratio is asked for and rapidfuzz is not installed.
    """
    if anchor == "exact":
        labels = exact_anchor_groups(anchors, group_ids)
    elif anchor == "similar":
        labels = similar_anchor_groups(
            anchors, group_ids, trajectory_ids, step_ids, threshold=threshold, ratio=ratio
        )
    else:
        keys_of = imported(anchor, setting="anchor", known=ANCHOR_MATCHES)
        labels = exact_anchor_groups(list(keys_of(list(anchors))), group_ids)
    return labels if within_trajectory else split_later_visits(labels, trajectory_ids, step_ids)


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
    try:
        labels, types = _label_rows(anchors, group_ids)
    except TypeError:
        check_hashable(anchors)
        raise
    if types - {str}:
        check_hashable(anchors)
    return labels


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


def _label_rows(anchors: list[Hashable], group_ids: np.ndarray) -> tuple[np.ndarray, set[type]]:
    """Number the distinct (group, anchor) pairs, and say the types of the anchors."""
    if (group_ids[1:] >= group_ids[:-1]).all():
        return _label_sorted(anchors, group_ids)
    order = np.argsort(group_ids, kind="stable")
    labels, types = _label_sorted([anchors[row] for row in order.tolist()], group_ids[order])
    result = np.empty_like(labels)
    result[order] = labels
    return result, types


def _label_sorted(anchors: list[Hashable], group_ids: np.ndarray) -> tuple[np.ndarray, set[type]]:
    """Do so for rows sorted by group, with one small dictionary after the other.

    No (group, anchor) tuples are made and hashed, and a group's dictionary fits the CPU's cache.
    What runs once per row is a C loop: itemgetter looks a group's anchors up, a missing one gets
    the next number, and struct writes the numbers down (NumPy takes several times longer to read
    them). What remains is mostly the hashing of the strings.
    """
    next_label = count().__next__
    packed: list[bytes] = []
    types: set[type] = set()
    for start, stop in pairwise(_group_bounds(group_ids)):
        known: defaultdict[Hashable, int] = defaultdict(next_label)
        found = itemgetter(*anchors[start:stop])(known)
        labels = found if stop - start > 1 else (found,)
        packed.append(struct.Struct(f"{stop - start}n").pack(*labels))
        types.update(map(type, known))
    return np.frombuffer(bytearray().join(packed), dtype=np.intp), types


def _group_bounds(group_ids: np.ndarray) -> list[int]:
    """Where runs of equal group ids begin, and where the last one ends."""
    if group_ids.size == 0:
        return []
    changes = np.flatnonzero(group_ids[1:] != group_ids[:-1]) + 1
    return [0, *changes.tolist(), len(group_ids)]

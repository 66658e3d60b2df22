"""Statistics within groups of rows, which all rules share.

Rows with equal int64 labels form a group. Small non-negative labels, such as those of
`rllib_gigpo.credit.anchors`, are used directly; others are numbered first.
"""

from __future__ import annotations

import numpy as np

STD_EPSILON = 1e-6


def centred(
    values: np.ndarray, labels: np.ndarray, *, divide_by_std: bool, unbiased: bool = True
) -> np.ndarray:
    """Centre each value on the mean of its group: (x - mean) / F.

    F is the standard deviation + 1e-6, or 1. Values are taken relative to a member of their group
    before anything is summed. A group of one row, or whose values are all equal, therefore has
    differences of exactly 0 and scores exactly 0.0: there is no rounding noise for F to amplify.

    Args:
        values: (R,) Finite numbers.
        labels: (R,) int64, the group of each row.
        divide_by_std: Whether F is the standard deviation.
        unbiased: Whether the variance of n values is divided by n - 1; otherwise by n.

    Returns:
        (R,) float64.

    Raises:
        ValueError: The lengths differ, or a value is not finite.
    """
    values = _checked_values(values, labels)
    labels, num_groups = numbered(labels)
    centred_values = values - _a_member(values, labels, num_groups)[labels]
    counts = np.bincount(labels, minlength=num_groups)
    means = np.bincount(labels, centred_values, num_groups) / np.maximum(counts, 1)
    centred_values -= means[labels]
    if divide_by_std:
        divisors = np.maximum(counts - 1, 1) if unbiased else np.maximum(counts, 1)
        squares = np.bincount(labels, centred_values * centred_values, num_groups)
        centred_values /= np.sqrt(squares / divisors)[labels] + STD_EPSILON
    return centred_values


def has_spread(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Check for each row whether its group has two different values; False for a group of one.

    Args:
        values: (R,) Finite numbers.
        labels: (R,) int64, the group of each row.

    Returns:
        (R,) bool.
    """
    values = _checked_values(values, labels)
    labels, num_groups = numbered(labels)
    differs = values != _a_member(values, labels, num_groups)[labels]
    spread = np.zeros(num_groups, dtype=bool)
    spread[labels[differs]] = True
    return spread[labels]


def group_means(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Average the values of each row's group.

    Args:
        values: (R,) Finite numbers.
        labels: (R,) int64, the group of each row.

    Returns:
        (R,) float64; exactly the common value if all values of the group are equal.
    """
    return values - centred(values, labels, divide_by_std=False)


def group_sizes(labels: np.ndarray) -> np.ndarray:
    """Count the rows of each row's group.

    Args:
        labels: (R,) int64, the group of each row.

    Returns:
        (R,) int64, at least 1.
    """
    labels, num_groups = numbered(labels)
    return np.bincount(labels, minlength=num_groups)[labels]


def numbered(labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Return labels that can index an array, and the length of that array.

    Small non-negative labels are returned unchanged (some numbers may be unused); others are
    replaced by their rank.

    Args:
        labels: (R,) integers.

    Returns:
        Labels (R,) in [0, n), and n.
    """
    labels = np.asarray(labels)
    if labels.size == 0:
        return labels.astype(np.int64), 0
    largest = int(labels.max())
    if labels.min() >= 0 and largest < 4 * labels.size:
        return labels, largest + 1
    unique, ranks = np.unique(labels, return_inverse=True)
    return ranks, len(unique)


def _a_member(values: np.ndarray, labels: np.ndarray, num_groups: int) -> np.ndarray:
    """Return one member's value for each group; it does not matter which."""
    member = np.zeros(num_groups)
    member[labels] = values
    return member


def _checked_values(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or values.shape != np.shape(labels):
        raise ValueError(
            f"values {values.shape} and labels {np.shape(labels)} do not match; both need one entry"
            " per row."
        )
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ValueError(
            f"Row {row}: the value is {values[row]}; group statistics need finite values."
        )
    return values

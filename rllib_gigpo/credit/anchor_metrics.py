"""Metrics of anchor groups and advantages: do states recur, and do their returns differ?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rllib_gigpo.credit.group_statistics import has_spread
from rllib_gigpo.credit.rules.credit_rule import Advantages


def anchor_metrics(anchor_group_ids: np.ndarray, step_returns: np.ndarray) -> dict[str, float]:
    """Measure the sizes and the spread of the anchor groups of a batch.

    Args:
        anchor_group_ids: (R,) The anchor group of each row.
        step_returns: (R,) The returns that are compared within the groups.

    Returns:
        ``num_anchor_groups``; ``anchor_group_size_mean`` over groups; ``anchor_group_size_max``;
        ``anchor_group_size_mean_per_row``, the mean over rows of the size of the row's group;
        ``recurring_row_share``, the share of rows in groups of at least 2; and
        ``anchor_group_no_spread_share``, the share of groups of at least 2 whose returns are all
        equal. All are 0 without rows or groups.
    """
    _, rows, inverse, sizes = np.unique(
        anchor_group_ids, return_index=True, return_inverse=True, return_counts=True
    )
    recurs = sizes >= 2
    spread = has_spread(step_returns, inverse)[rows]
    return {
        "num_anchor_groups": float(len(sizes)),
        "anchor_group_size_mean": _mean(sizes),
        "anchor_group_size_max": float(sizes.max(initial=0)),
        "anchor_group_size_mean_per_row": _mean(sizes[inverse]),
        "recurring_row_share": _mean(recurs[inverse]),
        "anchor_group_no_spread_share": _mean(~spread[recurs]),
    }


def anchor_metrics_of_roles(
    anchor_group_ids: np.ndarray, step_returns: np.ndarray, roles: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Compute `anchor_metrics` of the rows of each role; ``roles`` has one name for each row."""
    names = np.array(roles, dtype=object)
    return {
        role: anchor_metrics(anchor_group_ids[names == role], step_returns[names == role])
        for role in dict.fromkeys(roles)
    }


def anchor_group_size_histogram(anchor_group_ids: np.ndarray) -> dict[str, float]:
    """Count the anchor groups of each size that occurs, sizes ascending.

    Args:
        anchor_group_ids: (R,) The anchor group of each row.

    Returns:
        ``{"1": number of groups of one row, "2": number of groups of two rows, ...}``.
    """
    _, sizes = np.unique(anchor_group_ids, return_counts=True)
    values, counts = np.unique(sizes, return_counts=True)
    return {str(size): float(n) for size, n in zip(values.tolist(), counts.tolist(), strict=True)}


def advantage_metrics(advantages: Advantages) -> dict[str, float]:
    """Average |A| over the rows, per level and in total; 0 without rows."""
    return {
        "episode_advantage_abs_mean": _mean(np.abs(advantages.episode)),
        "step_advantage_abs_mean": _mean(np.abs(advantages.step)),
        "advantage_abs_mean": _mean(np.abs(advantages.total)),
    }


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0

"""How old the tokens of a batch are, in policy versions."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from rllib_gigpo.batch.sample_result import FinishedGroup, SampleResult
from rllib_gigpo.batch.step_record import step_records


def oldest_version(group: FinishedGroup) -> int:
    """Return the oldest policy version that sampled a token of a group."""
    versions = [record.token_versions for record in step_records(group.episodes)]
    return min((int(one.min()) for one in versions if len(one)), default=0)


def staleness_metrics(result: SampleResult, *, weight_version: int) -> dict[str, Any]:
    """Compute how many versions the tokens of a batch are behind.

    Args:
        result: The batch.
        weight_version: The policy version of the update.

    Returns:
        ``staleness_mean`` and ``staleness_max`` in versions, ``stale_token_share``, the number of
        tokens by staleness (``staleness``), and ``num_groups_stale``, dropped for their age.
    """
    versions = [record.token_versions for record in step_records(result.episodes)]
    ages = weight_version - np.concatenate([np.zeros(0, np.int64), *versions])
    counts = Counter(ages.tolist())
    return {
        "staleness": {str(age): count for age, count in sorted(counts.items())},
        "staleness_mean": float(ages.mean()) if len(ages) else 0.0,
        "staleness_max": int(ages.max(initial=0)),
        "stale_token_share": float((ages > 0).mean()) if len(ages) else 0.0,
        "num_groups_stale": len(result.stale),
    }

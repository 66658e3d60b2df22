"""How old the tokens of a batch are, in policy versions."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from rllib_gigpo.batch.sample_result import FinishedGroup, SampleResult
from rllib_gigpo.batch.step_record import step_records


def oldest_version(group: FinishedGroup) -> int:
    """Return the oldest policy version that sampled a token; without a token, nothing is old."""
    versions = [record.token_versions for record in step_records(group.episodes)]
    return min((int(one.min()) for one in versions if len(one)), default=sys.maxsize)


def staleness_metrics(result: SampleResult, *, weight_version: int) -> dict[str, Any]:
    """Compute how many versions the tokens of a batch are behind.

    Args:
        result: The batch.
        weight_version: The policy version of the update.

    Returns:
        ``staleness_mean`` and ``staleness_max`` in versions, ``stale_token_share``, the number of
        tokens by staleness (``staleness``), and ``num_groups_stale``, dropped for their age.
    """
    records = step_records(result.episodes)
    versions = [record.token_versions for record in records if not record.is_replayed]
    ages = weight_version - np.concatenate([np.zeros(0, np.int64), *versions])
    counts = Counter(ages.tolist())
    return {
        "staleness": {str(age): count for age, count in sorted(counts.items())},
        "staleness_mean": float(ages.mean()) if len(ages) else 0.0,
        "staleness_max": int(ages.max(initial=0)),
        "stale_token_share": float((ages > 0).mean()) if len(ages) else 0.0,
        "num_groups_stale": len(result.stale),
    }


def asynchrony(max_staleness: int, num_env_runners: int, share_gpu: bool) -> Iterator[str]:
    """Check that there are EnvRunners that can play while the Learner updates."""
    if max_staleness and share_gpu:
        yield "max_staleness: with share_gpu=True the engine sleeps during updates; set one of them"
    elif max_staleness and not num_env_runners:
        yield (
            "max_staleness needs remote EnvRunners, which play during updates; set"
            " env_runners(num_env_runners=1)"
        )

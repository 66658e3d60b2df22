"""Dynamic sampling: a batch of groups that teach something, and exactly as many as asked for.

DAPO, arXiv 2503.14476, section 3.2. A group whose episode returns are all equal has no advantage at
the episode level; it is set aside, and only the missing groups are drawn again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import FinishedGroup, SampleResult
from rllib_gigpo.options.records import Options, require
from rllib_gigpo.sampling.group_sampler import GroupSampler, in_order


@dataclass(frozen=True, slots=True)
class DynamicSampling(Options):
    """Replace groups whose episode returns are all equal.

    Attributes:
        max_resamples: How often per iteration missing groups are drawn again, at least 1.
    """

    can_be_true: ClassVar[bool] = True

    max_resamples: int = 10

    def __post_init__(self) -> None:
        """Check the bound."""
        require(self, max_resamples=">= 1")


class DynamicSampler:
    """A `GroupSampler` that sets groups without spread aside and tops the batch up."""

    def __init__(self, sampler: GroupSampler, *, max_resamples: int) -> None:
        """Prepare to sample.

        Args:
            sampler: Who samples.
            max_resamples: How often missing groups are drawn again; what is missing then is filled
                with groups that were set aside, the oldest first.
        """
        self._sampler = sampler
        self._max_resamples = max_resamples

    def sample(
        self,
        draw: Callable[[int, Sequence[GroupTask]], Sequence[GroupTask]],
        num_groups: int,
        *,
        weight_version: int,
    ) -> SampleResult:
        """Sample ``num_groups`` groups; see `GroupSampler.sample`.

        Returns:
            The batch; what was set aside and did not fill it up is in ``filtered``.

        Raises:
            RolloutError: As `GroupSampler.sample`.
        """
        result, aside = SampleResult(), list[FinishedGroup]()
        for _ in range(self._max_resamples + 1):
            part = self._sampler.sample(
                draw, num_groups - len(result.groups), weight_version=weight_version
            )
            kept = [group for group in part.groups if has_spread(group)]
            aside += [group for group in part.groups if not has_spread(group)]
            result += replace(part, groups=kept)
            if len(result.groups) == num_groups:
                break
        missing = num_groups - len(result.groups)
        return in_order(
            replace(result, groups=result.groups + aside[:missing], filtered=aside[missing:])
        )


def has_spread(group: FinishedGroup) -> bool:
    """Whether two episodes of a group have different returns, penalties left out."""
    return len({math.fsum(episode.get_rewards()) for episode in group.episodes}) > 1

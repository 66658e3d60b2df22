"""Dynamic sampling: fill the batch with groups that have a learning signal.

DAPO, arXiv 2503.14476, section 3.2. If all episode returns of a group are equal, its episode
advantages are 0. The sampler sets such groups aside and draws only the missing groups again.
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
        max_resamples: How often per iteration to draw missing groups again, at least 1.
    """

    can_be_true: ClassVar[bool] = True

    max_resamples: int = 10

    def __post_init__(self) -> None:
        """Check that the number is in range."""
        require(self, max_resamples=">= 1")


class DynamicSampler:
    """A `GroupSampler` that replaces groups without spread."""

    def __init__(self, sampler: GroupSampler, *, max_resamples: int) -> None:
        """Wrap a sampler.

        Args:
            sampler: The sampler to wrap.
            max_resamples: How often to draw missing groups again; groups that are still missing
                are then replaced by those set aside, oldest first.
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
            The batch; groups set aside and not used are in ``filtered``.

        Raises:
            RolloutError: See `GroupSampler.sample`.
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
            replace(
                result,
                groups=result.groups + aside[:missing],
                filtered=result.filtered + aside[missing:],
            )
        )


def has_spread(group: FinishedGroup) -> bool:
    """Return whether two episodes of a group have different returns, penalties excluded."""
    return len({math.fsum(episode.get_rewards()) for episode in group.episodes}) > 1

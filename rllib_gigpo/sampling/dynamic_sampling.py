"""Dynamic sampling: fill the batch with groups that have a learning signal.

DAPO, arXiv 2503.14476, section 3.2. If all episode returns of a group are equal, its episode
advantages are 0. The sampler sets such a group aside and draws another one at once.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import ClassVar

from rllib_gigpo.batch.role_turns import turns_by_role
from rllib_gigpo.batch.sample_result import FinishedGroup
from rllib_gigpo.options.records import Options, require


@dataclass(frozen=True, slots=True)
class DynamicSampling(Options):
    """Replace groups whose episode returns are all equal.

    Attributes:
        max_resamples: Bound on the replacements of an iteration, in batches, at least 1; the rest
            of the batch is then filled with groups that were set aside, oldest first.
    """

    can_be_true: ClassVar[bool] = True

    max_resamples: int = 10

    def __post_init__(self) -> None:
        """Check that the number is in range."""
        require(self, max_resamples=">= 1")


def has_spread(group: FinishedGroup) -> bool:
    """Return whether a role's returns differ between two episodes, penalties excluded."""
    returns = defaultdict[str, set[float]](set)
    for episode in group.episodes:
        for part in turns_by_role(episode):
            returns[part.role].add(part.total)
    return any(len(values) > 1 for values in returns.values())

"""One group to play, as the sampling side hands it to an EnvRunner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rllib_gigpo.engines.inference_engine import SamplingSettings


@dataclass(frozen=True, slots=True)
class GroupTask:
    """One group to play: every member starts from ``reset(seed=seed)``.

    Attributes:
        group_id: Of training a running number, unique over the life of the Algorithm: the seed of
            every answer depends on it. Of evaluation "test-" and the task's number.
        seed: The environment seed, the same for all members.
        group_size: Number of episodes.
        sampling: How their tokens are drawn.
        is_training: Whether the episodes are trained on; RLlib's ``explore``.
    """

    group_id: int | str
    seed: int
    group_size: int
    sampling: SamplingSettings
    is_training: bool = True

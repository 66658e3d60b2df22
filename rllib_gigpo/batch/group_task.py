"""The order to play one group, which the sampler sends to an EnvRunner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rllib_gigpo.engines.inference_engine import SamplingSettings


@dataclass(frozen=True, slots=True)
class GroupTask:
    """One group to play: every member starts from ``reset(seed=seed)``.

    Attributes:
        group_id: In training a running number, unique for the life of the Algorithm, which seeds
            every answer; in evaluation "test-" and the task's number.
        seed: The environment seed, shared by all members.
        group_size: The number of episodes.
        sampling: How the engine samples tokens.
        is_training: Whether the episodes are for training; RLlib's ``explore``.
        decoding_seed: Seeds the answers in place of the run's seed; None for that seed.
        max_steps: Longest episode in place of the run's; None for that limit.
    """

    group_id: int | str
    seed: int
    group_size: int
    sampling: SamplingSettings
    is_training: bool = True
    decoding_seed: int | None = None
    max_steps: int | None = None

    @property
    def place(self) -> tuple[str, int]:
        """A key that sorts tasks by number: 2 before 10, "test-2" before "test-10"."""
        text, _, number = str(self.group_id).rpartition("-")
        return (text, int(number)) if number.isdigit() else (str(self.group_id), 0)

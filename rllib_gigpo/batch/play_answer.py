"""What a remote EnvRunner answers to a call that lets it play."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rllib_gigpo.batch.sample_result import SampleResult


@dataclass(frozen=True, slots=True)
class PlayAnswer:
    """The answer to one call of `GroupEnvRunner.answer`.

    Attributes:
        result: The groups that finished or were lost since the last answer.
        is_playing: Whether groups are still played.
        num_left: Number of unfinished episodes of each group that is still played.
        error: An exception that ended the call; RLlib would only log it and end the EnvRunner.
    """

    result: SampleResult = field(default_factory=SampleResult)
    is_playing: bool = False
    num_left: Mapping[int | str, int] = field(default_factory=dict)
    error: Exception | None = None

"""What a remote EnvRunner answers to a call that lets it play."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rllib_gigpo.batch.sample_result import SampleResult


@dataclass(frozen=True, slots=True)
class PlayAnswer:
    """The answer to one call of `GroupEnvRunner.answer`.

    Attributes:
        result: The groups that finished or were lost since the last answer.
        is_playing: Whether groups are still played.
        logged: What callbacks logged since the last answer, by whether it was in training.
        error: An exception that ended the call; RLlib would only log it and end the EnvRunner.
    """

    result: SampleResult = field(default_factory=SampleResult)
    is_playing: bool = False
    logged: Mapping[bool, Any] = field(default_factory=dict)
    error: Exception | None = None

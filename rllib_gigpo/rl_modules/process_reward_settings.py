"""The settings of a process reward model; without torch, so a config can be checked without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rllib_gigpo.options.records import Options, require


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRewardSettings(Options):
    """Settings of the implicit process reward model, for rules that read its rewards (istar).

    Attributes:
        beta: β, the reward of a step per unit of log-ratio, above 0.
        lr: Learning rate of the model, at least 0.
    """

    can_be_true: ClassVar[bool] = True

    beta: float = 0.05
    lr: float = 1e-6

    def __post_init__(self) -> None:
        """Check that the numbers are in range."""
        require(self, beta="> 0", lr=">= 0")

"""The setting `transcripts`: how often whole episodes are written, and how many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rllib_gigpo.options.records import Options, require


@dataclass(frozen=True, slots=True)
class TranscriptSettings(Options):
    """How often to write whole episodes, and how many.

    Attributes:
        interval: Number of iterations from one file to the next; 0 for no files.
        groups: Number of groups per file, at least 1; or "all".
        max_mb: Bound on all files of a run, compressed; beyond it, files in the middle of the run
            are deleted.
    """

    interval: int = 10
    groups: int | Literal["all"] = 1
    max_mb: float = 200.0

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        require(self, interval=">= 0", max_mb="> 0")
        if self.groups != "all":
            require(self, groups=">= 1")

"""Memory: selects the past turns that the next prompt shows."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class PastStep:
    """One finished turn of an episode.

    Attributes:
        step: Number of the turn within its episode, from 1.
        observation: The observation that the agent saw.
        action: The action that it took; empty if its answer could not be parsed.
    """

    step: int
    observation: str
    action: str


@runtime_checkable
class RecallsSteps(Protocol):
    """Protocol of memories: `Memory`, and any other object with the method ``recall``."""

    def recall(self, past: Sequence[PastStep]) -> Sequence[PastStep]:
        """Select from the past steps; see `Memory.recall`."""
        ...


class Memory(ABC):
    """Base of the strategies that select the turns of an episode for the next prompt.

    Subclass it to show something other than the latest turns (a summary, a selection). A memory
    holds settings but no state of an episode: one object serves all episodes of a runner.
    """

    @abstractmethod
    def recall(self, past: Sequence[PastStep]) -> list[PastStep]:
        """Return the turns to show, oldest first.

        Args:
            past: All finished turns of the episode, oldest first.
        """


class LastSteps(Memory):
    """Memory of the latest ``length`` turns."""

    def __init__(self, length: int) -> None:
        """Store how many turns to show.

        Args:
            length: Number of turns, at least 0; 0 shows none.

        Raises:
            ValueError: ``length`` is negative.
        """
        if length < 0:
            raise ValueError(f"history_length={length} must be at least 0; 0 shows no history.")
        self.length = length

    def recall(self, past: Sequence[PastStep]) -> list[PastStep]:
        """Return the latest ``length`` turns, or fewer early in an episode, oldest first."""
        return list(past[len(past) - min(self.length, len(past)) :])

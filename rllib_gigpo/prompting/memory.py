"""What an agent is shown of its own past: the turns that go into the next prompt."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class PastStep:
    """One finished turn of an episode.

    Attributes:
        step: number of the turn within its episode, counted from 1.
        observation: the observation that the agent saw.
        action: the action that it took; empty when its answer could not be read.
    """

    step: int
    observation: str
    action: str


@runtime_checkable
class RecallsSteps(Protocol):
    """What a prompt's history comes from; `Memory` is one, and so is anything with its method."""

    def recall(self, past: Sequence[PastStep]) -> Sequence[PastStep]:
        """Chooses among the past steps, see `Memory.recall`."""
        ...


class Memory(ABC):
    """Chooses which of an episode's finished turns the next prompt shows.

    Subclass it to show something else than the latest turns (a summary, a selection). A memory
    holds settings only, no state of an episode: one object serves all episodes of a runner.
    """

    @abstractmethod
    def recall(self, past: Sequence[PastStep]) -> list[PastStep]:
        """Returns the turns to show, oldest first.

        Args:
            past: all finished turns of the episode, oldest first.
        """


class LastSteps(Memory):
    """Shows the latest ``length`` turns."""

    def __init__(self, length: int) -> None:
        """Stores how many turns to show.

        Args:
            length: number of turns, at least 0; 0 shows none.

        Raises:
            ValueError: if ``length`` is negative.
        """
        if length < 0:
            raise ValueError(f"history_length must be 0 or more, got {length}; 0 shows no history.")
        self.length = length

    def recall(self, past: Sequence[PastStep]) -> list[PastStep]:
        """Returns the latest ``length`` turns (fewer at the start of an episode), oldest first."""
        return list(past[len(past) - min(self.length, len(past)) :])

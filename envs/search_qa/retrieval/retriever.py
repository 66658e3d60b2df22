"""What every retriever takes and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from ...common.clean_text import valid_text

MAX_QUERY_CHARS = 1000
"""Characters of a query that are read."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One document of a corpus."""

    id: str  # unique in its corpus
    title: str  # empty where the corpus has none
    text: str

    @property
    def contents(self) -> str:
        """Title and text in one string, as Search-R1's corpora hold them."""
        return f'"{self.title}"\n{self.text}' if self.title else self.text


def make_passage(id_: str, title: str, text: str) -> Passage:
    """Make a passage of text from outside, which may hold halves of surrogate pairs."""
    return Passage(*(valid_text(part) for part in (id_, title.strip(), text.strip())))


@dataclass(frozen=True, slots=True)
class Hit:
    """One passage that was found."""

    passage: Passage
    score: float  # the retriever's own unit, higher is better; NaN if it tells none


class RetrieverError(RuntimeError):
    """A search could not be made.

    Attributes:
        reason: What happened, in words for the agent: without addresses and numbers of attempts.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        """Keep the full message for people and the reason for the agent."""
        super().__init__(message)
        self.reason = reason


class Retriever(ABC):
    """Finds passages for queries. One instance serves many environments, also in threads."""

    @abstractmethod
    def search(self, queries: Sequence[str], *, top_k: int) -> list[list[Hit]]:
        """Find up to ``top_k`` passages for each query, best first.

        Raises:
            RetrieverError: If no answer is to be had; never after an unbounded time.
        """

    @abstractmethod
    def check(self) -> None:
        """Make sure that searches will work.

        Raises:
            RetrieverError: If they do not; the message says what to do.
        """

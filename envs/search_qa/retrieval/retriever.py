"""The interface of all retrievers: queries in, passages out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from ...common.clean_text import valid_text

MAX_QUERY_CHARS = 1000
"""The number of characters of a query that are read."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One document of a corpus."""

    id: str  # unique in its corpus
    title: str  # empty if the corpus has none
    text: str

    @property
    def contents(self) -> str:
        """Title and text in one string, as in Search-R1's corpora."""
        return f'"{self.title}"\n{self.text}' if self.title else self.text


def make_passage(id_: str, title: str, text: str) -> Passage:
    """Make a passage from external text, which may contain lone surrogates."""
    return Passage(*(valid_text(part) for part in (id_, title.strip(), text.strip())))


@dataclass(frozen=True, slots=True)
class Hit:
    """One passage that a search found."""

    passage: Passage
    score: float  # in the retriever's own unit, higher is better; NaN if it gives none


class RetrieverError(RuntimeError):
    """A search that failed.

    Attributes:
        reason: The reason in words for the agent, without addresses and numbers of attempts.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        """Keep the full message for people and the reason for the agent."""
        super().__init__(message)
        self.reason = reason


class Retriever(ABC):
    """A search for passages; one instance serves many environments, also in threads."""

    @abstractmethod
    def search(self, queries: Sequence[str], *, top_k: int) -> list[list[Hit]]:
        """Find up to ``top_k`` passages for each query, best first.

        Raises:
            RetrieverError: There is no answer; the error comes within bounded time.
        """

    @abstractmethod
    def check(self) -> None:
        """Check that searches work.

        Raises:
            RetrieverError: They do not; the message says what to do.
        """

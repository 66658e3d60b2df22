"""The state of an episode: one question with the searches, passages and answer so far."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from .answer_metrics import exact_match, f1_score
from .questions import Question
from .retrieval import Hit
from .search_actions import SearchAction

_MAX_PASSAGE_CHARS = 2000


@dataclass(slots=True)
class SearchEpisode:
    """The state of an episode."""

    question: Question
    turns_left: int
    information: str = ""  # the result of the last search, as the agent saw it
    found: dict[str, str] = field(default_factory=dict)  # id -> title of every passage retrieved
    queries: set[str] = field(default_factory=set)  # queries of the searches that were answered
    is_over: bool = False
    won: bool = False  # exact match
    score: float = 0.0  # F1

    def record(self, query: str, hits: Sequence[Hit]) -> None:
        """Record a search and its hits, which are ordered best first."""
        self.queries.add(query)
        self.found.update((hit.passage.id, hit.passage.title) for hit in hits)
        lines = [
            f"Doc {number}: {hit.passage.contents[:_MAX_PASSAGE_CHARS]}"
            for number, hit in enumerate(hits, start=1)
        ]
        self.information = "\n".join(
            ("<information>", *(lines or ["No passage matches."]), "</information>")
        )

    def judge(self, answer: str) -> None:
        """Compare the final answer with the golden ones."""
        self.won = exact_match(answer, self.question.answers) == 1.0
        self.score = f1_score(answer, self.question.answers)

    def documents(self) -> str:
        """Return the state's identity: the question and the set of passages retrieved so far."""
        return json.dumps([self.question.text, *sorted(self.found)], ensure_ascii=False)

    def expert_action(self) -> SearchAction | None:
        """Return a search for the next supporting passage, or the answer if none is left.

        A title that was searched for in vain is not tried again. On the last turn, when searches
        are not run, the action is the answer. It is None if the supporting passages are unknown.
        """
        if not self.question.hops:
            return None
        known = self.queries.union(self.found.values())
        ahead = [title for title in self.question.hops if title not in known]
        if ahead and self.turns_left > 1:
            return SearchAction("search", ahead[0])
        return SearchAction("answer", self.question.answers[0])

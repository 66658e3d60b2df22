"""The source of a Search QA environment's questions and retriever."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .questions import Question, QuestionSplit, given_questions
from .retrieval import HttpSettings, Retriever, shared_bm25, shared_http
from .synthetic_world import KnowledgeBase, KnowledgeSpec, knowledge_base


@dataclass(frozen=True)
class SearchSource:
    """The questions, the retriever and, for the made-up world, the entities in its passages."""

    questions: QuestionSplit
    retriever: Retriever
    mentions: Mapping[str, tuple[str, ...]] | None = None  # title -> entities in its passage

    def entities(self, question: Question, titles: Iterable[str]) -> tuple[list[str], list[str]]:
        """Return the entities to look up next and those to answer with, both sorted.

        Args:
            question: The question, which names the first entity.
            titles: Titles of the passages retrieved so far.
        """
        mentions = self.mentions or {}
        found = set(titles)
        named = {question.hops[0]}.union(*(mentions.get(title, ()) for title in found))
        return sorted(named & mentions.keys() - found), sorted(named - {question.hops[0]})


def search_source(
    questions: str | Path | None,
    test_questions: str | Path | None,
    corpus: str | Path | None,
    retriever: Mapping[str, Any] | None,
    synthetic: Mapping[str, Any] | None,
) -> SearchSource:
    """Return the source for an environment's options.

    Raises:
        ValueError: The options contradict each other, or a file cannot be read.
        ImportError: bm25s or PyStemmer is needed and not installed.
        RetrieverError: The given service cannot be used.
    """
    if corpus is not None and retriever is not None:
        raise ValueError("corpus and retriever exclude each other. Leave one of them out.")
    if questions is None:
        return _synthetic_source(test_questions, corpus, retriever, synthetic)
    if synthetic is not None:
        raise ValueError("synthetic and questions exclude each other. Leave one of them out.")
    if corpus is None and retriever is None:
        raise ValueError(
            'questions need something to search in. Set corpus="passages.jsonl", or '
            'retriever={"url": "http://127.0.0.1:8000/retrieve"}.'
        )
    split = given_questions(questions, test_questions)
    return SearchSource(split, _service(retriever) or shared_bm25(str(corpus)))


def _synthetic_source(
    test_questions: str | Path | None,
    corpus: str | Path | None,
    retriever: Mapping[str, Any] | None,
    synthetic: Mapping[str, Any] | None,
) -> SearchSource:
    if test_questions is not None or corpus is not None:
        raise ValueError(
            "test_questions and corpus need questions. Without questions, the made-up world uses "
            "its own questions and passages."
        )
    base: KnowledgeBase = knowledge_base(KnowledgeSpec.create(synthetic or {}))
    return SearchSource(base.questions, _service(retriever) or base.retriever, base.mentions)


def _service(options: Mapping[str, Any] | None) -> Retriever | None:
    return None if options is None else shared_http(HttpSettings.create(options))

"""Questions with golden answers, read from files and split into training and test questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..common.clean_text import valid_text
from ..contract import FIRST_TEST_SEED
from .retrieval.corpus import FileVersion, file_version, read_records

_EVERY_NTH_IS_A_TEST = 5
_FORMS = (
    "questions are JSONL, each line {id, question, golden_answers} (FlashRAG) or {question, "
    "answer}, or a .json file with a list of HotpotQA's, 2Wiki's or MuSiQue's records (HippoRAG)"
)


@dataclass(frozen=True, slots=True)
class Question:
    """One task."""

    id: str
    text: str
    answers: tuple[str, ...]  # golden answers, at least one
    dataset: str
    hops: tuple[str, ...] = ()  # titles of the passages to the answer, in order; empty if unknown


@dataclass(frozen=True, slots=True)
class QuestionSplit:
    """Training and test questions, with no question in both."""

    train: tuple[Question, ...]
    test: tuple[Question, ...]

    @classmethod
    def hold_out(cls, questions: Sequence[Question]) -> QuestionSplit:
        """Keep every fifth question for testing.

        Raises:
            ValueError: There are fewer than five questions.
        """
        if len(questions) < _EVERY_NTH_IS_A_TEST:
            raise ValueError(
                f"{len(questions)} questions are too few to hold out every fifth. Set "
                "test_questions to a second file."
            )
        nth = _EVERY_NTH_IS_A_TEST
        train = tuple(question for n, question in enumerate(questions, start=1) if n % nth)
        return cls(train, tuple(questions[nth - 1 :: nth]))

    def pick(self, seed: int) -> Question:
        """Return the question of a seed; seeds beyond the number of questions wrap around."""
        if seed < FIRST_TEST_SEED:
            return self.train[seed % len(self.train)]
        return self.test[(seed - FIRST_TEST_SEED) % len(self.test)]


def given_questions(
    questions: str | Path, test_questions: str | Path | None = None
) -> QuestionSplit:
    """Read the questions of one or two files, once per process unless the files change.

    Raises:
        ValueError: A file cannot be read, has another format, or the two have a question in common.
    """
    test_version = None if test_questions is None else file_version(test_questions, "questions")
    return _read_split(file_version(questions, "questions"), test_version)


@lru_cache(maxsize=4)
def _read_split(version: FileVersion, test_version: FileVersion | None) -> QuestionSplit:
    train = read_questions(version.file)
    if test_version is None:
        return QuestionSplit.hold_out(train)
    test = read_questions(test_version.file)
    common = {question.text for question in train} & {question.text for question in test}
    if common:
        raise ValueError(
            f"questions and test_questions have {len(common)} questions in common, such as "
            f"{min(common)!r}. Remove them from one of the files."
        )
    return QuestionSplit(train, test)


def read_questions(file: Path) -> tuple[Question, ...]:
    """Read a file of questions.

    Raises:
        ValueError: The file cannot be read or has another format.
    """
    questions = tuple(
        _question(record, f"{file}, {place}", file.stem)
        for place, record in read_records(file, _FORMS)
    )
    if not questions:
        raise ValueError(f"{file} contains no questions; {_FORMS}.")
    return questions


def _question(record: Any, where: str, dataset: str) -> Question:
    if not isinstance(record, Mapping) or not isinstance(record.get("question"), str):
        raise ValueError(f"{where} has no question; {_FORMS}.")
    answers = _texts(record.get("golden_answers", record.get("answer")))
    answers += _texts(record.get("answer_aliases", []))
    if not answers or not record["question"].strip():
        raise ValueError(f"{where} has an empty question or no answer; {_FORMS}.")
    text = valid_text(record["question"].strip())
    try:
        hops = _hops(record, text)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(
            f"{where} has supporting facts in an unknown format ({error!r}); {_FORMS}."
        ) from error
    return Question(str(record.get("id", record.get("_id", where))), text, answers, dataset, hops)


def _texts(value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list):
        return ()
    texts = (valid_text(text) for text in values if isinstance(text, str) and text.strip())
    return tuple(dict.fromkeys(texts))


def _hops(record: Mapping[str, Any], question: str) -> tuple[str, ...]:
    """Return the titles of the supporting passages, in the order in which they are needed."""
    if "question_decomposition" in record:  # MuSiQue, which is already in order
        titles = [part["title"] for part in record.get("paragraphs", [])]
        steps = [step["paragraph_support_idx"] for step in record["question_decomposition"]]
        return tuple(titles[index] for index in steps if index is not None)
    facts = record.get("supporting_facts")
    if facts is None:
        facts = (record.get("metadata") or {}).get("supporting_facts") or []  # FlashRAG
    titles = facts["title"] if isinstance(facts, Mapping) else [title for title, _ in facts]
    # HotpotQA does not order them, but the first passage is the one that the question names.
    return tuple(sorted(dict.fromkeys(titles), key=lambda title: title not in question))

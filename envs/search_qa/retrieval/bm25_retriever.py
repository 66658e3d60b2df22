"""BM25 in this process, with one index shared by all environments."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .corpus import FileVersion, file_version, read_corpus
from .retriever import MAX_QUERY_CHARS, Hit, Passage, Retriever

K1, B = 0.9, 0.4
"""Anserini's parameters for Lucene's BM25, the usual sparse baseline in open-domain QA."""

_SHARING = threading.Lock()


class BM25Retriever(Retriever):
    """A retriever with Lucene's variant of BM25 over the Porter stems of title and text.

    It finds only passages that share a word with the query. Ties keep the order of the corpus, so
    the same query finds the same passages in every process.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        """Index the passages.

        Raises:
            ValueError: There are no passages, or none contains a word.
            ImportError: bm25s or PyStemmer is not installed.
        """
        bm25s, stemmer = _import_backend()
        self.passages = tuple(passages)
        self._tokenize = bm25s.tokenize
        self._stemmer, self._stemming = stemmer.Stemmer("porter"), threading.Lock()
        tokens = self._tokens([f"{passage.title}\n{passage.text}" for passage in self.passages])
        if not any(tokens):
            raise ValueError(
                f"The corpus of {len(self.passages)} passages contains no words to search for. "
                "Use passages with text."
            )
        self._index = bm25s.BM25(k1=K1, b=B, method="lucene", backend="numpy")
        self._index.index(tokens, show_progress=False)

    def search(self, queries: Sequence[str], *, top_k: int) -> list[list[Hit]]:
        """Find up to ``top_k`` passages for each query, or none if its words are unknown."""
        cut = [query[:MAX_QUERY_CHARS] for query in queries]
        return [self._best(words, top_k) for words in self._tokens(cut)]

    def check(self) -> None:
        """Do nothing, because an index that was built always works."""

    def _best(self, words: list[str], top_k: int) -> list[Hit]:
        ids = self._index.get_tokens_ids(words)
        if not ids:
            return []
        scores = self._index.get_scores_from_ids(ids)
        found = np.flatnonzero(scores > 0)
        order = found[np.lexsort((found, -scores[found]))][:top_k]
        return [Hit(self.passages[index], float(scores[index])) for index in order]

    def _tokens(self, texts: list[str]) -> list[list[str]]:
        with self._stemming:  # a PyStemmer stemmer must not be used by two threads at once
            return self._tokenize(
                texts, stemmer=self._stemmer, return_ids=False, show_progress=False
            )


def shared_bm25(path: str | Path) -> BM25Retriever:
    """Return this process's index of a corpus file, built again only if the file changes.

    Raises:
        ValueError: The corpus cannot be read.
        ImportError: bm25s or PyStemmer is not installed.
    """
    version = file_version(path, "corpus")
    with _SHARING:
        return _index_file(version)


@lru_cache(maxsize=4)
def _index_file(version: FileVersion) -> BM25Retriever:
    return BM25Retriever(read_corpus(version.file))


def _import_backend() -> tuple[Any, Any]:
    try:
        import bm25s
        import Stemmer
    except ImportError as error:
        raise ImportError(
            f"Searching in this process needs bm25s and PyStemmer, but {error}. Run "
            'pip install "rllib-gigpo[search]", or use a service with retriever={"url": ...}.'
        ) from error
    return bm25s, Stemmer

"""Retrieval behind one interface: BM25 in this process, an HTTP service, and a small server.

A query goes from `SearchQAEnv` to a `Retriever`: either `BM25Retriever`, or `HttpRetriever`, which
talks through `protocol` to a service such as `RetrieverServer`. `corpus` reads the passages.
"""

from .bm25_retriever import BM25Retriever, shared_bm25
from .corpus import read_corpus
from .http_client import HttpRetriever, shared_http
from .http_server import RetrieverServer
from .http_settings import HttpSettings
from .retriever import Hit, Passage, Retriever, RetrieverError

__all__ = [
    "BM25Retriever",
    "Hit",
    "HttpRetriever",
    "HttpSettings",
    "Passage",
    "Retriever",
    "RetrieverError",
    "RetrieverServer",
    "read_corpus",
    "shared_bm25",
    "shared_http",
]

"""The two request shapes of retrieval services and their common answer, for client and server.

Search-R1 sends ``{"queries": [text, ...], "topk": k, "return_scores": true}``; verl-agent and SkyRL
send one ``{"query": text, ...}`` at a time. Both get ``{"result": [[item, ...], ...]}``, with one
list per query. An item is ``{"document": document, "score": number}``, or just the document if the
request does not ask for scores. A document is ``{"id", "contents"}`` or
``{"id", "title", "text"}``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .corpus import passage_from_contents
from .retriever import Hit, Passage, make_passage

REQUEST_SHAPES = ("queries", "query")
MAX_TOP_K = 100
MAX_QUERIES = 1024


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A request of either shape."""

    queries: tuple[str, ...]
    top_k: int
    return_scores: bool


def encode_requests(queries: Sequence[str], *, shape: str, top_k: int) -> list[bytes]:
    """Return the bodies to send, one for all queries or one for each."""
    common = {"topk": top_k, "return_scores": True}
    bodies: list[dict[str, Any]] = (
        [{"queries": list(queries)}]
        if shape == "queries"
        else [{"query": query} for query in queries]
    )
    return [json.dumps({**body, **common}).encode() for body in bodies]


def decode_request(body: bytes, *, default_top_k: int) -> SearchRequest:
    """Read a request of either shape.

    Raises:
        ValueError: The body is not a valid request; the message is for the client.
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the body is not JSON: {error}") from error
    if not isinstance(request, dict):
        raise ValueError("the body must be a JSON object")
    top_k, return_scores = request.get("topk", default_top_k), request.get("return_scores", False)
    if type(top_k) is not int or not 1 <= top_k <= MAX_TOP_K:
        raise ValueError(f'"topk" must be a whole number from 1 to {MAX_TOP_K}')
    if not isinstance(return_scores, bool):
        raise ValueError('"return_scores" must be true or false')
    return SearchRequest(_queries_of(request), top_k, return_scores)


def _queries_of(request: Mapping[str, Any]) -> tuple[str, ...]:
    if ("queries" in request) == ("query" in request):
        raise ValueError('give either "queries" (a list of strings) or "query" (a string)')
    queries = request["queries"] if "queries" in request else [request["query"]]
    if not isinstance(queries, list) or not all(isinstance(query, str) for query in queries):
        raise ValueError('"queries" must be a list of strings, and "query" one string')
    if not 1 <= len(queries) <= MAX_QUERIES:
        raise ValueError(f"send 1 to {MAX_QUERIES} queries at a time")
    return tuple(queries)


def encode_results(results: Sequence[Sequence[Hit]], *, return_scores: bool) -> dict[str, Any]:
    """Return the answer as JSON values."""
    return {"result": [[_item(hit, return_scores) for hit in hits] for hits in results]}


def _item(hit: Hit, return_scores: bool) -> dict[str, Any]:
    document = {"id": hit.passage.id, "contents": hit.passage.contents}
    return {"document": document, "score": hit.score} if return_scores else document


def decode_results(body: bytes, *, num_queries: int) -> list[list[Hit]]:
    """Read the answer of any such service.

    Raises:
        ValueError: The answer has another format; the message says what is wrong.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    results = answer.get("result") if isinstance(answer, dict) else None
    if not isinstance(results, list) or not all(isinstance(hits, list) for hits in results):
        raise ValueError('it has no "result" that is a list of lists')
    if len(results) != num_queries:
        raise ValueError(f"it has {len(results)} results for {num_queries} queries")
    return [[_hit(item) for item in hits] for hits in results]


def _hit(item: Any) -> Hit:
    if not isinstance(item, dict):
        raise ValueError("a found passage is not a JSON object")
    document, score = item.get("document", item), item.get("score", math.nan)
    if not isinstance(score, int | float):
        raise ValueError("a score is not a number")
    try:
        return Hit(_passage(document), float(score))
    except OverflowError as error:
        raise ValueError("a score is too large") from error


def _passage(document: Any) -> Passage:
    if isinstance(document, str):
        return passage_from_contents(document, document)
    if not isinstance(document, dict):
        raise ValueError("a document is neither a JSON object nor text")
    contents, title, text = (document.get(key) for key in ("contents", "title", "text"))
    if isinstance(contents, str):
        return passage_from_contents(_id(document, contents), contents)
    if isinstance(text, str):
        title = title if isinstance(title, str) else ""
        return make_passage(_id(document, f"{title}\n{text}"), title, text)
    raise ValueError('a document has neither "contents" nor "text"')


def _id(document: Mapping[str, Any], otherwise: str) -> str:
    """Return a document's id, or its contents if the id is missing or null."""
    id_ = document.get("id")
    return otherwise if id_ is None else str(id_)

"""An HTTP retriever with bounded time, retries, and rotation over several services."""

from __future__ import annotations

import http.client
import itertools
import logging
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from .http_settings import HttpSettings
from .protocol import MAX_TOP_K, decode_results, encode_requests
from .retriever import MAX_QUERY_CHARS, Hit, Retriever, RetrieverError

_MAX_ANSWER_BYTES = 16 * 2**20
_FIRST_PAUSE_S = 0.1  # before the second attempt; doubles before each further one
_LOG = logging.getLogger(__name__)
_SHARING = threading.Lock()


class HttpRetriever(Retriever):
    """A retriever that asks a service, in one of the two common request shapes.

    After connection errors, timeouts, statuses of 500 and above, and invalid answers, it tries
    again at the next address, after pauses of 0.1, 0.2, 0.4 ... seconds. A status below 500 means a
    faulty request and is final.
    """

    def __init__(self, settings: HttpSettings) -> None:
        """Keep the settings; nothing is sent yet."""
        self._settings = settings
        self._urls = [urlsplit(url) for url in settings.urls]
        self._turns = itertools.count()  # its next() is atomic, so threads rotate together

    def search(self, queries: Sequence[str], *, top_k: int) -> list[list[Hit]]:
        """Find up to ``top_k`` passages for each query, in ``search_timeout_s`` for all."""
        deadline = time.monotonic() + self._settings.search_timeout_s
        top_k = min(top_k, MAX_TOP_K)
        results: list[list[Hit]] = []
        cut = [query[:MAX_QUERY_CHARS] for query in queries]
        bodies = encode_requests(cut, shape=self._settings.request_shape, top_k=top_k)
        for body in bodies:
            results += self._ask(body, len(queries) // len(bodies), deadline)
        return [hits[:top_k] for hits in results]

    def check(self) -> None:
        """Send a query to every address, so that a service that is down is an error at the start.

        Raises:
            RetrieverError: A service does not answer as it should.
        """
        (body, *_) = encode_requests(["test"], shape=self._settings.request_shape, top_k=1)
        for url in self._urls:
            deadline = time.monotonic() + self._settings.request_timeout_s
            try:
                _exchange(url, body, 1, deadline)
            except _AttemptError as error:
                raise RetrieverError(
                    f"Cannot use the retrieval service at {url.geturl()}: {error}. Start one "
                    "(rllib serve-retriever --corpus FILE --port 8000), or correct url, "
                    f"request_shape (sent: {self._settings.request_shape!r}) or "
                    "request_timeout_s in retriever={...}.",
                    reason=error.reason,
                ) from error

    def _ask(self, body: bytes, num_queries: int, deadline: float) -> list[list[Hit]]:
        """Try until there is an answer, or until attempts or time run out."""
        for attempt in range(self._settings.max_attempts):
            url = self._urls[next(self._turns) % len(self._urls)]
            limit = min(deadline, time.monotonic() + self._settings.request_timeout_s)
            try:
                return _exchange(url, body, num_queries, limit)
            except _AttemptError as error:
                _LOG.warning("Attempt %d at %s failed: %s", attempt + 1, url.geturl(), error)
                failure = error
            pause_s = _FIRST_PAUSE_S * 2**attempt
            if failure.is_final or time.monotonic() + pause_s >= deadline:
                break
            if attempt + 1 < self._settings.max_attempts:
                time.sleep(pause_s)
        raise RetrieverError(
            f"The search failed after {attempt + 1} attempts at {', '.join(self._settings.urls)}: "
            f"{failure}. Check that the service is up, or raise request_timeout_s="
            f"{self._settings.request_timeout_s} and search_timeout_s="
            f"{self._settings.search_timeout_s}.",
            reason=failure.reason,
        )


class _AttemptError(Exception):
    """The failure of one attempt."""

    def __init__(self, reason: str, detail: object = "", *, is_final: bool = False) -> None:
        super().__init__(f"{reason} ({detail})" if detail else reason)
        self.reason, self.is_final = reason, is_final


def _exchange(url: SplitResult, body: bytes, num_queries: int, deadline: float) -> list[list[Hit]]:
    """Send one request and read its answer before the deadline (``time.monotonic``)."""
    status, answer = _post(url, body, deadline)
    if status != 200:
        detail = answer[:200].decode(errors="replace")
        raise _AttemptError(f"the service returned status {status}", detail, is_final=status < 500)
    try:
        return decode_results(answer, num_queries=num_queries)
    except ValueError as error:
        raise _AttemptError("the service's answer was invalid", error) from error


def _post(url: SplitResult, body: bytes, deadline: float) -> tuple[int, bytes]:
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=_left_s(deadline))
    try:
        connection.connect()
        with _watched(connection, deadline):
            target = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
            connection.request("POST", target, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read(_MAX_ANSWER_BYTES + 1)
        _left_s(deadline)  # a truncated answer can look complete
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, TimeoutError) or time.monotonic() >= deadline:
            raise _AttemptError("the service did not answer in time") from error
        raise _AttemptError("the service could not be reached", repr(error)) from error
    finally:
        connection.close()
    if len(answer) > _MAX_ANSWER_BYTES:
        detail = f"more than {_MAX_ANSWER_BYTES} bytes"
        raise _AttemptError("the service's answer was invalid", detail)
    return response.status, answer


def _left_s(deadline: float) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise _AttemptError("the service did not answer in time")
    return left_s


@contextmanager
def _watched(connection: http.client.HTTPConnection, deadline: float) -> Iterator[None]:
    """Cut the connection off at the deadline.

    A socket's own timeout restarts with every byte, so a slow trickle would never end.
    """
    watchdog = threading.Timer(_left_s(deadline), _cut_off, [connection.sock])
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def _cut_off(connected: socket.socket) -> None:
    """Shut the socket down, which ends any wait on it, unless it is already closed."""
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def shared_http(settings: HttpSettings) -> HttpRetriever:
    """Return this process's retriever for these settings, checked when it is made.

    Raises:
        RetrieverError: The service cannot be used.
    """
    with _SHARING:
        return _checked(settings)


@lru_cache(maxsize=16)
def _checked(settings: HttpSettings) -> HttpRetriever:
    retriever = HttpRetriever(settings)
    retriever.check()
    return retriever

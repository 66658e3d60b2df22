"""A small retrieval server: any retriever behind ``POST /retrieve``, in both request shapes."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .protocol import MAX_TOP_K, decode_request, encode_results
from .retriever import Retriever, RetrieverError

_MAX_BODY_BYTES = 4 * 2**20
_SLOW_CLIENT_S = 30.0


class RetrieverServer(ThreadingHTTPServer):
    """A server for a retriever; ``serve_forever`` blocks until another thread calls ``shutdown``.

    ``POST /retrieve`` takes the requests of `protocol`; ``GET /health`` reports that the server is
    up. The answer to a faulty request is ``{"error": text}`` with a status of 400 or above.
    """

    daemon_threads = True
    request_queue_size = 128  # waiting connections; all environments may search at once

    def __init__(self, address: tuple[str, int], retriever: Retriever, *, top_k: int = 3) -> None:
        """Bind the address; port 0 picks a free port.

        Args:
            address: Host and port.
            retriever: The retriever that answers the queries.
            top_k: Passages per query if a request does not say.

        Raises:
            ValueError: ``top_k`` is out of range.
            OSError: The address is in use or does not belong to this machine.
        """
        if not 1 <= top_k <= MAX_TOP_K:
            raise ValueError(f"top_k is {top_k}. Use a number from 1 to {MAX_TOP_K}.")
        super().__init__(address, _Handler)
        self.retriever, self.top_k = retriever, top_k

    @property
    def url(self) -> str:
        """The address for `HttpRetriever`."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/retrieve"


class _Handler(BaseHTTPRequestHandler):
    server: RetrieverServer
    protocol_version = "HTTP/1.1"
    timeout = _SLOW_CLIENT_S
    disable_nagle_algorithm = True  # otherwise keep-alive clients wait 40 ms for each answer

    def do_POST(self) -> None:
        """Answer a search."""
        try:
            self._answer(*self._search())
        except TimeoutError:
            self.close_connection = True

    def do_GET(self) -> None:
        """Answer ``/health``."""
        if self.path == "/health":
            self._answer(200, {"status": "ok"})
        elif self.path == "/retrieve":
            self._answer(405, {"error": "POST a JSON object to /retrieve"})
        else:
            self._answer(404, {"error": "use POST /retrieve or GET /health"})

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing, because a training run makes thousands of requests."""

    def _search(self) -> tuple[int, dict[str, Any]]:
        """Return status and answer."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            return self._unread(411, "send a Content-Length")
        if len(length) > 9 or int(length) > _MAX_BODY_BYTES:
            return self._unread(413, f"a request may have at most {_MAX_BODY_BYTES} bytes")
        body = self.rfile.read(int(length))
        if self.path != "/retrieve":
            return 404, {"error": "use POST /retrieve or GET /health"}
        try:
            request = decode_request(body, default_top_k=self.server.top_k)
        except ValueError as error:
            return 400, {"error": str(error)}
        try:
            results = self.server.retriever.search(request.queries, top_k=request.top_k)
        except RetrieverError as error:
            return 502, {"error": str(error)}
        return 200, encode_results(results, return_scores=request.return_scores)

    def _unread(self, status: int, message: str) -> tuple[int, dict[str, Any]]:
        """Refuse a request with an unread body, after which the connection cannot be reused."""
        self.close_connection = True
        return status, {"error": message}

    def _answer(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

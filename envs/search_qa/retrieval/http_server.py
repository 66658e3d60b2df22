"""A small retrieval server: any retriever behind ``POST /retrieve``, in both request shapes."""

from __future__ import annotations

import json
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .open_connections import OpenConnections
from .protocol import MAX_TOP_K, decode_request, encode_results
from .retriever import Retriever, RetrieverError

_MAX_BODY_BYTES = 4 * 2**20
_FULL_PAUSE_S = 0.02  # before a full server looks again for room


class RetrieverServer(ThreadingHTTPServer):
    """A server for a retriever; ``serve_forever`` blocks until another thread calls ``shutdown``.

    ``POST /retrieve`` takes the requests of `protocol`; ``GET /health`` reports that the server is
    up. The answer to a faulty request is ``{"error": text}`` with a status of 400 or above.

    A client has ``client_timeout_s`` to send a request, and again to read its answer; a slower one
    is dropped. Clients beyond ``max_connections`` wait, and slow ones then lose their place.
    """

    daemon_threads = True
    request_queue_size = 128  # waiting connections; all environments may search at once

    def __init__(
        self,
        address: tuple[str, int],
        retriever: Retriever,
        *,
        top_k: int = 3,
        max_connections: int = 256,
        client_timeout_s: float = 30.0,
    ) -> None:
        """Bind the address; port 0 picks a free port.

        Args:
            address: Host and port.
            retriever: The retriever that answers the queries.
            top_k: Passages per query if a request does not say.
            max_connections: Connections, each with a thread, that may be open at a time.
            client_timeout_s: How long a request may take to arrive, and an answer to be read.

        Raises:
            ValueError: ``top_k`` is out of range.
            OSError: The address is in use or does not belong to this machine.
        """
        if not 1 <= top_k <= MAX_TOP_K:
            raise ValueError(f"top_k is {top_k}. Use a number from 1 to {MAX_TOP_K}.")
        super().__init__(address, _Handler)
        self.retriever, self.top_k = retriever, top_k
        self.connections = OpenConnections(
            max_connections=max_connections, client_timeout_s=client_timeout_s
        )

    @property
    def url(self) -> str:
        """The address for `HttpRetriever`."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/retrieve"

    def service_actions(self) -> None:
        """Drop slow clients; ``serve_forever`` calls this twice a second and after each client."""
        self.connections.drop_late()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection.

        Raises:
            OSError: The server is full; ``serve_forever`` then leaves the client in the queue.
        """
        if not self.connections.has_room():
            time.sleep(_FULL_PAUSE_S)
            raise OSError("too many connections")
        connection, address = super().get_request()
        self.connections.wait_for_client(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self.connections.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print an error, unless it only says that the client has gone."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: RetrieverServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise keep-alive clients wait 40 ms for each answer

    def do_POST(self) -> None:
        """Answer a search."""
        self._answer(*self._search())

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
        if len(body) < int(length):
            raise ConnectionAbortedError("the client left, or was too slow")
        self.server.connections.stop_waiting(self.connection)
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
        self.server.connections.wait_for_client(self.connection)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.server.connections.wait_for_client(self.connection)  # for the next request

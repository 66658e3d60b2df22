"""HTTP services that misbehave as retrievers, each on its own free port."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GOOD = {"result": [[{"document": {"id": "7", "contents": '"Velden"\nA town.'}, "score": 2.5}]]}


def answer(status: int, body: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return respond


def answer_json(value: Any, status: int = 200) -> Callable[[BaseHTTPRequestHandler], None]:
    return answer(status, json.dumps(value).encode())


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def sleep(handler: BaseHTTPRequestHandler) -> None:
    _until_the_client_is_content(handler, lambda: None)


def trickle(handler: BaseHTTPRequestHandler) -> None:
    """Send a byte now and then, so no single wait is long."""
    handler.send_response(200)
    handler.end_headers()
    _until_the_client_is_content(handler, lambda: handler.wfile.write(b" "))


def trickle_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    _until_the_client_is_content(handler, lambda: handler.wfile.write(b"x"))


def _until_the_client_is_content(handler: Any, act: Callable[[], object]) -> None:
    """Act repeatedly for 20 s, unless the client hangs up or the test ends earlier."""
    for _ in range(1000):
        act()
        if handler.server.ending.wait(0.02):
            return
    handler.server.has_outlasted_a_client = True


def garbage(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\x00\xff no http at all\r\n\r\n")
    handler.close_connection = True


def in_turn(*responses: Callable[[BaseHTTPRequestHandler], None]) -> Callable[..., None]:
    """Answer the n-th request with the n-th response, and all further ones with the last."""
    remaining = list(responses)

    def respond(handler: BaseHTTPRequestHandler) -> None:
        (remaining.pop(0) if len(remaining) > 1 else remaining[0])(handler)

    return respond


class FakeService(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, respond: Callable[[BaseHTTPRequestHandler], None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.respond, self.requests, self.ending = respond, list[Any](), threading.Event()
        self.has_outlasted_a_client = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/retrieve"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that have disconnected."""


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(json.loads(body))  # type: ignore[attr-defined]
        self.server.respond(self)  # type: ignore[attr-defined]

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    """Serve in a thread until the block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        if isinstance(server, FakeService):
            server.ending.set()
        server.shutdown()
        server.server_close()
        thread.join()


def free_port() -> int:
    """Return a port that no server listens on."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        return server.server_address[1]

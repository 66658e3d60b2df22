"""A small server with the OpenAI-compatible endpoint of chat completions."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Model(ThreadingHTTPServer):
    """Answers chat completions by a function of the request, and keeps the requests."""

    def __init__(self, answer):
        self.answer, self.requests, self.keys = answer, [], set()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(request)
        self.server.keys.add(self.headers["Authorization"])
        status, text = self.server.answer(request)
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": request["model"],
            "choices": [choice],
        }
        content = json.dumps(body if status == 200 else {"error": {"message": text}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@contextmanager
def serving(answer: Callable[[dict], tuple[int, str]]) -> Iterator[Model]:
    """Run a server whose answers are (status, text) of a request."""
    server = Model(answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def model_server(answer: Callable[[dict], tuple[int, str]]) -> Iterator[str]:
    """Run a server, and return its URL."""
    with serving(answer) as server:
        yield server.url

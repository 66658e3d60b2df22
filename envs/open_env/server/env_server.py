"""A server process or thread: the application behind a bound socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import uvicorn

_GRACE_S = 5  # for sessions to close their environments when the server stops
_PING_TIMEOUT_S = 300  # a client in its own long computation answers no ping


class EnvServer:
    """Listens from its construction on, so that clients may connect before ``run``."""

    def __init__(
        self, asgi: Any, *, host: str = "127.0.0.1", port: int = 0, max_message_bytes: int = 2**24
    ) -> None:
        """Bind the address; port 0 picks a free one.

        Raises:
            ImportError: The package websockets is not installed.
            OSError: The address is in use or does not belong to this machine.
        """
        if find_spec("websockets") is None:
            raise ImportError(
                'websockets is not installed. Run pip install "rllib-gigpo[openenv]".'
            )
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind((host, port))
            self._listener.listen(1024)
        except OSError:
            self._listener.close()
            raise
        self._server = uvicorn.Server(
            uvicorn.Config(
                asgi,
                log_config=None,  # its own would close the log handlers of the whole process
                log_level="warning",
                access_log=False,
                ws_max_size=max_message_bytes,
                ws_per_message_deflate=False,
                ws_ping_timeout=_PING_TIMEOUT_S,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )

    @property
    def url(self) -> str:
        """The base address."""
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self) -> None:
        """Serve until the process is told to stop, or another thread calls ``stop``."""
        with self._listener:
            self._server.run([self._listener])

    def stop(self) -> None:
        """End ``run``."""
        self._server.should_exit = True

    @contextmanager
    def in_background(self) -> Iterator[str]:
        """Serve in a thread inside the block, which gets the base address."""
        thread = threading.Thread(target=self.run, name="env-server", daemon=True)
        thread.start()
        try:
            yield self.url
        finally:
            self.stop()
            thread.join()

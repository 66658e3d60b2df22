"""The open connections of a server: how many there may be, and how long a client may keep one."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress

_FULL_SERVER_S = 1.0  # the wait for a client after which a full server gives its place to another
# Otherwise the system keeps an answer for as long as its reader does not read.
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class OpenConnections:
    """A table of connections, with the time since which the server waits for each client.

    A server waits while a request arrives, while its answer is read, and between two requests; the
    search between is not counted. Sockets' timeouts are too little: each byte starts them again.
    """

    def __init__(self, *, max_connections: int, client_timeout_s: float) -> None:
        """Start without connections.

        Args:
            max_connections: How many may be open.
            client_timeout_s: How long the server waits for a client, in seconds.
        """
        self._max_connections = max_connections
        self._client_timeout_s = client_timeout_s
        self._lock = threading.Lock()
        self._waiting_since: dict[socket.socket, float | None] = {}

    def __len__(self) -> int:
        """Return the number of open connections."""
        return len(self._waiting_since)

    def wait_for_client(self, connection: socket.socket) -> None:
        """Start to count the time of a new connection, or again of one that was at work."""
        with self._lock:
            self._waiting_since[connection] = time.monotonic()

    def stop_waiting(self, connection: socket.socket) -> None:
        """Stop to count: the server has the whole request and works on it."""
        with self._lock:
            self._waiting_since[connection] = None

    def remove(self, connection: socket.socket) -> None:
        """Forget a connection that is closed."""
        with self._lock:
            self._waiting_since.pop(connection, None)

    def drop_late(self) -> None:
        """Shut down the connections of clients that took too long; their threads then end.

        In a full server, a wait of a second is too long.
        """
        is_full = not self.has_room()
        limit_s = min(_FULL_SERVER_S, self._client_timeout_s) if is_full else self._client_timeout_s
        with self._lock:
            start = time.monotonic() - limit_s
            late = [one for one, since in self._waiting_since.items() if since and since < start]
        for connection in late:
            with suppress(OSError):  # the client was faster
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
                connection.shutdown(socket.SHUT_RDWR)

    def has_room(self) -> bool:
        """Return whether there may be one more connection."""
        return len(self) < self._max_connections

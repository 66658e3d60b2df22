"""The address of a server of OpenEnv, as a user writes it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server listens.

    Attributes:
        http: Its base address, such as "http://127.0.0.1:8000", for ``/schema`` and others.
        host: Its host.
    """

    http: str
    host: str

    @classmethod
    def parse(cls, url: object) -> ServerAddress:
        """Read a base address, or that of the WebSocket itself (``ws://.../ws``).

        Raises:
            ValueError: It is not such an address.
        """
        try:
            parts = urlsplit(url) if isinstance(url, str) else None
            is_address = parts and parts.scheme in _SCHEMES and parts.hostname and parts.port != 0
        except ValueError:  # the port is not a number
            is_address = False
        if not is_address or parts is None or parts.query or parts.fragment or parts.username:
            raise ValueError(
                f'url must be the address of an OpenEnv server, such as "http://127.0.0.1:8000"; '
                f"got {url!r}. Fix it in env_config."
            )
        path = parts.path.rstrip("/").removesuffix("/ws")
        return cls(f"{_SCHEMES[parts.scheme]}://{parts.netloc}{path}", parts.hostname or "")

    @property
    def websocket(self) -> str:
        """The address of sessions."""
        return f"ws{self.http.removeprefix('http')}/ws"

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine; a proxy is then no way to it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

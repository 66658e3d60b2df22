"""The address of a server of OpenEnv, as a user writes it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..messages import OpenEnvError

_REFUSALS = (401, 403)
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server listens.

    Attributes:
        http: Its base address, such as "http://127.0.0.1:8000", for ``/schema`` and others.
        host: Its host.
        token: What it wants to be shown; "" for a server that anybody may use.
    """

    http: str
    host: str
    token: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: object, *, token: str = "") -> ServerAddress:
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
        return cls(f"{_SCHEMES[parts.scheme]}://{parts.netloc}{path}", parts.hostname or "", token)

    @property
    def websocket(self) -> str:
        """The address of sessions."""
        return f"ws{self.http.removeprefix('http')}/ws"

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def refusal(self, status: int | None) -> OpenEnvError | None:
        """Return the error of a status by which a server refuses who asks; None for others."""
        if status not in _REFUSALS:
            return None
        what = "the token that token_variable names" if self.token else "a client without a token"
        return OpenEnvError(
            f"The server at {self.http} refuses {what} (status {status}). Set token_variable in "
            "env_config to an environment variable that holds a token with access, or correct url.",
            code=f"HTTP {status}",  # the server is there, so there is nothing to wait for
        )

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine; a proxy is then no way to it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

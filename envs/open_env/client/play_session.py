"""One session on a server: a WebSocket, and questions with an answer each."""

from __future__ import annotations

import logging
from contextlib import ExitStack, suppress
from typing import Any

from ...common.optional_backends import import_backend
from ..messages import (
    CAPACITY_REACHED,
    CLOSE,
    ERROR,
    EXECUTION_ERROR,
    FACTORY_ERROR,
    SESSION_ERROR,
    STATE,
    OpenEnvError,
    ServerFullError,
    decode,
    encode,
)
from .server_address import ServerAddress

MAX_ANSWER_BYTES = 16 * 2**20
_QUIET = logging.getLogger(f"{__name__}.messages")
_QUIET.setLevel(logging.INFO)  # debugging shows headers, hence the token
_CLOSE_S = 2.0  # for the closing handshake
_LAST_CODES = (FACTORY_ERROR, SESSION_ERROR)  # after which a server closes the connection


class PlaySession:
    """A session of one environment; it stays lost once its connection is lost.

    Args:
        address: The server.
        timeout_s: The longest wait for a connection, and for each answer.

    Raises:
        OpenEnvError: The server cannot be reached, or has no room for a session.
    """

    def __init__(self, address: ServerAddress, *, timeout_s: float) -> None:
        self._client = import_backend("websockets.sync.client", extra="openenv")
        self._errors = import_backend("websockets.exceptions", extra="openenv")
        self._address, self._timeout_s = address, timeout_s
        self.is_lost = False
        with ExitStack() as stack:
            self._socket = stack.enter_context(self._connect())
            self._check_room()
            self._open = stack.pop_all()

    def ask(self, kind: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a message and return the data of the answer.

        Raises:
            OpenEnvError: The connection is lost, there was no answer in time, or the answer is an
                error. Its code tells whether the session goes on.
        """
        if self.is_lost:
            raise OpenEnvError(f"The session on {self._address.http} is lost; reset begins another")
        try:
            # A server that refuses a session says why before it closes the connection.
            with suppress(self._errors.ConnectionClosed):
                self._socket.send(encode(kind, data))
            answer = decode(self._socket.recv(timeout=self._timeout_s))
        except TimeoutError as error:
            # A late answer would be taken for that of the next message.
            raise self._lost(
                f"did not answer {kind!r} within timeout_s={self._timeout_s:g}. Raise timeout_s in "
                "env_config, or look at what the server does"
            ) from error
        except self._errors.ConnectionClosed as error:
            raise self._lost(f"closed the connection during {kind!r} ({error})") from error
        except (ValueError, RecursionError) as error:
            raise self._lost(f"answered {kind!r} with something else ({error})") from error
        except BaseException:  # such as an interrupt; the answer would be taken for the next one's
            self._hang_up()
            raise
        return self._read(kind, *answer)

    def close(self) -> None:
        """End the session on the server."""
        if not self.is_lost:
            with suppress(self._errors.ConnectionClosed):
                self._socket.send(encode(CLOSE))
        self._hang_up()

    def _connect(self) -> Any:
        options: dict[str, Any] = {"proxy": None} if self._address.is_loopback else {}
        try:
            return self._client.connect(
                self._address.websocket,
                additional_headers=self._address.headers,
                logger=_QUIET,
                open_timeout=self._timeout_s,
                close_timeout=_CLOSE_S,
                max_size=MAX_ANSWER_BYTES,
                compression=None,
                ping_interval=None,  # a server in a long step answers none; `ask` has a limit
                **options,
            )
        except self._errors.InvalidHandshake as error:
            refused = getattr(getattr(error, "response", None), "status_code", None)
            raise self._address.refusal(refused) or OpenEnvError(
                f"{self._address.websocket} is not an OpenEnv server: {error}. Correct url in "
                "env_config."
            ) from error
        except (OSError, EOFError) as error:  # TimeoutError is one
            raise OpenEnvError(
                f"No OpenEnv server can be reached at {self._address.http}: {error!r}. Start one "
                "(rllib serve-env ID --port 8000), or correct url in env_config."
            ) from error

    def _check_room(self) -> None:
        """Ask for the state, so that a server that is full has the time to say so."""
        try:
            self.ask(STATE)
        except OpenEnvError as error:
            if error.code != EXECUTION_ERROR:  # some environments have no state before a reset
                raise

    def _read(self, kind: str, answer: str, data: dict[str, Any]) -> dict[str, Any]:
        if answer != ERROR:
            return data
        code, text = str(data.get("code", "")), str(data.get("message", data))[:1000].rstrip(".")
        if code == CAPACITY_REACHED:
            self._hang_up()
            raise ServerFullError(
                f"The server at {self._address.http} is full: {text}. Each environment needs a "
                "session, num_groups * group_size of them in training. Raise the server's limit "
                "(rllib serve-env --max-sessions N; max_concurrent_envs of openenv's create_app), "
                "or play fewer groups at a time.",
                code=code,
            )
        if code in _LAST_CODES:
            raise self._lost(f"ended the session with {code}: {text}", code=code)
        where = f"The server at {self._address.http} answered {kind!r} with {code or 'an error'}"
        raise OpenEnvError(f"{where}: {text}.", code=code, detail=f"{text}.")

    def _lost(self, what: str, *, code: str = "") -> OpenEnvError:
        self._hang_up()
        return OpenEnvError(f"The server at {self._address.http} {what}.", code=code)

    def _hang_up(self) -> None:
        self.is_lost = True
        if hasattr(self, "_open"):
            self._open.close()

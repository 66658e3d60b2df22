"""OpenEnv's WebSocket messages: their types, error codes and parts.

Source: openenv 0.10.0, ``core/env_server/types.py``, ``serialization.py`` and ``http_server.py``.
A client sends ``{"type": "reset" | "step" | "state" | "close", "data": {...}}`` and gets
``{"type": "observation" | "state" | "error", "data": {...}}``. An observation's data are
``observation`` (a dict), ``reward``, ``done`` and ``metadata``, which is also in ``observation``.
"""

from __future__ import annotations

import json
from typing import Any, Final

from ..contract import NoRoomError

RESET, STEP, STATE, CLOSE = "reset", "step", "state", "close"
OBSERVATION, ERROR = "observation", "error"

INVALID_JSON: Final = "INVALID_JSON"
UNKNOWN_TYPE: Final = "UNKNOWN_TYPE"
VALIDATION_ERROR: Final = "VALIDATION_ERROR"
"""The action does not fit the environment's schema; the session goes on."""
EXECUTION_ERROR: Final = "EXECUTION_ERROR"
"""The environment raised an error; the session goes on."""
CAPACITY_REACHED: Final = "CAPACITY_REACHED"
"""The server has no room for another session, and closes the connection."""
FACTORY_ERROR: Final = "FACTORY_ERROR"
"""The environment could not be made; the server closes the connection."""
SESSION_ERROR: Final = "SESSION_ERROR"
"""The session failed or was idle for too long; the server closes the connection."""

TEXT: Final = "text"
"""The field of an observation of ``rllib serve-env``, and of its actions, that holds the text."""
METADATA: Final = "metadata"
OUR_MARK: Final = "rllib serve-env"
"""The ``$comment`` in our server's schema of observations, which tells it from others."""
TRUNCATED: Final = "truncated"
"""A key of our server's metadata: whether an episode that is done was cut short. OpenEnv itself
only has ``done``."""


class OpenEnvError(RuntimeError):
    """A server of OpenEnv cannot be used, or an episode on it was lost.

    Attributes:
        code: The server's error code, such as "EXECUTION_ERROR"; "" if the server named none.
        detail: The server's own words, if it said any.
    """

    def __init__(self, message: str, *, code: str = "", detail: str = "") -> None:
        """Store the parts; ``message`` says what happened, where, and the cure."""
        super().__init__(message)
        self.code, self.detail = code, detail


class ServerFullError(OpenEnvError, NoRoomError):
    """A server has no room for another session now."""


def encode(kind: str, data: dict[str, Any] | None = None) -> str:
    """Return a message as JSON text; NaN, which JSON lacks, is a ValueError."""
    message = {"type": kind} if data is None else {"type": kind, "data": data}
    return json.dumps(message, allow_nan=False)


def decode(text: str | bytes) -> tuple[str, dict[str, Any]]:
    """Return the type and the data of a message.

    Raises:
        ValueError: It is not JSON, or not such a message.
    """
    message = json.loads(text)
    kind = message.get("type") if isinstance(message, dict) else None
    data = message.get("data", {}) if isinstance(message, dict) else None
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise ValueError('a message must be {"type": text, "data": {...}}')
    return kind, data

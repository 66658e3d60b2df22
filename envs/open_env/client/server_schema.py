"""What a server says about its environment: the fields of actions and observations."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..messages import METADATA, OUR_MARK, TEXT, OpenEnvError
from .server_address import ServerAddress

_MAX_BYTES, _PART_BYTES = 4 * 2**20, 2**16
_BASE_FIELDS = (METADATA, "done", "reward")  # which openenv's classes add to every environment's


@dataclass(frozen=True, slots=True)
class ServerSchema:
    """The fields that an environment has, by name, as parts of a JSON schema.

    Attributes:
        action: Those of an action.
        required: The names of those that an action must have.
        observation: Those of an observation.
        is_ours: Whether the server is ``rllib serve-env``, whose names are those of the contract.
    """

    action: Mapping[str, Any]
    required: frozenset[str]
    observation: Mapping[str, Any]
    is_ours: bool = False

    @classmethod
    def fetch(cls, address: ServerAddress, *, timeout_s: float) -> ServerSchema:
        """Ask a server (``GET /schema``).

        Raises:
            OpenEnvError: There is no server, or it is another kind of server.
        """
        url = f"{address.http}/schema"
        try:
            body = _get(url, address, timeout_s)
        except urllib.error.HTTPError as error:
            other = _other_server(url, f"it answered with status {error.code}")
            raise address.refusal(error.code) or other from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise OpenEnvError(
                f"No OpenEnv server can be reached at {address.http}: {reason}. Start one "
                "(rllib serve-env ID --port 8000), or correct url in env_config."
            ) from error
        return cls.read(url, body)

    @classmethod
    def read(cls, url: str, body: bytes) -> ServerSchema:
        """Read the answer of ``url``.

        Raises:
            OpenEnvError: It is not the answer of an OpenEnv server.
        """
        try:
            schema = json.loads(body)
            action, observation = schema["action"], schema["observation"]
            fields, required = action.get("properties", {}), action.get("required", [])
            seen = observation.get("properties", {})
            is_ours = observation.get("$comment") == OUR_MARK
            return cls(_own(fields), frozenset(required), _own(seen), is_ours)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _other_server(url, "its answer is not a schema") from error

    @property
    def has_tools(self) -> bool:
        """Whether actions are calls of tools (openenv's ``CallToolAction``)."""
        return {"tool_name", "arguments"} <= set(self.action)

    @property
    def text_field(self) -> str | None:
        """The field of an observation that holds its text; None if several or none may.

        An answer of a tool has one text, the tool's name, beside its result.
        """
        if self.has_tools and TEXT not in self.observation:
            return None
        if TEXT in self.observation and field_type(self.observation[TEXT]) == "string":
            return TEXT
        texts = [name for name, field in self.observation.items() if field_type(field) == "string"]
        # Beside a text that is always there, one that may be null is an error or a hint.
        sure = [name for name in texts if self.observation[name].get("type") == "string"] or texts
        return sure[0] if len(sure) == 1 else None


def _get(url: str, address: ServerAddress, timeout_s: float) -> bytes:
    handlers = [urllib.request.ProxyHandler({})] if address.is_loopback else []
    deadline, body = time.monotonic() + timeout_s, b""
    request = urllib.request.Request(url)
    for name, value in address.headers.items():
        request.add_unredirected_header(name, value)  # another host must not see a token
    with urllib.request.build_opener(*handlers).open(request, timeout=timeout_s) as answer:
        while part := answer.read1(_PART_BYTES):
            body += part
            # A socket's timeout starts again with every byte.
            if time.monotonic() > deadline or len(body) > _MAX_BYTES:
                raise TimeoutError(f"it took more than {timeout_s:g} s, or has no end")
    return body


def _own(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: field for name, field in fields.items() if name not in _BASE_FIELDS}


def field_type(field: Any) -> str:
    """Return the JSON type of a field, which may also be null; "" if it has none or several.

    Pydantic writes ``Optional[str]`` as ``{"anyOf": [{"type": "string"}, {"type": "null"}]}``.
    """
    if not isinstance(field, Mapping):
        return ""
    found = [one for one in _types(field) if one != "null"]
    return found[0] if len(found) == 1 else ""


def _types(field: Mapping[str, Any]) -> list[str]:
    own = field.get("type")
    options = field.get("anyOf") or field.get("oneOf")
    if own is None and isinstance(options, list):
        own = [option.get("type", "") if isinstance(option, Mapping) else "" for option in options]
    return [str(one) for one in (own if isinstance(own, list) else [own or ""])]


def _other_server(url: str, what: str) -> OpenEnvError:
    return OpenEnvError(
        f"{url} is not that of an OpenEnv server: {what}. Correct url in env_config; it is the "
        'base address, such as "http://127.0.0.1:8000".'
    )

"""MCP servers as a source of tools, through the package ``mcp``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, fields
from typing import Any

from ..common.optional_backends import import_backend
from ..contract import TOOL_ERROR
from ..info_fence import described
from .loop_thread import LoopThread
from .tool import Tool

_STOP_S = 10.0  # the package itself ends a server's process after 4 s


@dataclass(frozen=True, slots=True)
class McpSettings:
    """One server; exactly one of ``command`` and ``url``.

    Attributes:
        command: The program and its arguments, spoken to by standard input and output.
        url: Where the server listens (streamable HTTP).
        env: Further environment variables of the program.
        cwd: The program's working directory.
        tools: The names of the tools to take; None for all.
        timeout_s: Longest wait for a connection, and for the result of a call.
        restart: Whether each episode gets a new connection, and so a new program: for servers that
            keep a state.
    """

    command: Sequence[str] | None = None
    url: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    tools: Sequence[str] | None = None
    timeout_s: float = 60.0
    restart: bool = False

    @classmethod
    def from_setting(cls, setting: Any) -> McpSettings:
        """Read a server of ``env_config``.

        Raises:
            ValueError: A key is unknown, or it is not one of ``command`` and ``url``.
        """
        known = [one.name for one in fields(cls)]
        if not isinstance(setting, Mapping) or set(setting) - set(known):
            raise ValueError(f"mcp needs dicts with {', '.join(known)}; got {setting!r}.")
        settings = cls(**setting)
        if (settings.command is None) == (settings.url is None):
            raise ValueError(
                f"A server of mcp needs either 'command' or 'url'; got {dict(setting)!r}."
            )
        if isinstance(settings.command, str) or isinstance(settings.tools, str):
            raise ValueError(
                f"'command' and 'tools' are lists, such as ['python', 'server.py']; got"
                f" {dict(setting)!r}."
            )
        return settings

    @property
    def shown(self) -> str:
        """The server in messages."""
        return self.url or " ".join(self.command or ())


class McpServer:
    """The connection to one server.

    Args:
        settings: The server.
        thread: The loop that the connection lives in.

    Raises:
        ImportError: The package ``mcp`` is not installed.
        RuntimeError: The server cannot be reached.
        ValueError: It does not have one of the tools asked for.
    """

    def __init__(self, settings: McpSettings, thread: LoopThread) -> None:
        import_backend("mcp", extra="mcp")
        self._settings, self._thread = settings, thread
        self._client: Any = None
        self._end: asyncio.Event | None = None
        self._served: Future[None] | None = None
        self.tools = [McpTool(one, self) for one in self._listed()]

    def begin_episode(self) -> None:
        """Connect again if the settings say so, or if the connection is lost."""
        if self._settings.restart:
            self.close()
        self._connected()

    def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Call a tool and return the text of its result.

        Raises:
            RuntimeError: The server failed, died or took too long. What the tool itself finds wrong
                is a result.
        """
        client = self._connected()
        try:
            result = self._thread.wait(
                client.call_tool(name, dict(arguments)), self._settings.timeout_s
            )
        except Exception as error:  # of the connection; the package has many kinds
            if _is_refusal(error):
                return f"{TOOL_ERROR} {error}"
            self.close()
            raise RuntimeError(
                f"The MCP server {self._settings.shown!r} failed at {name}: {described(error)}"
                f" (timeout_s={self._settings.timeout_s:g})."
            ) from error
        text = "\n".join(getattr(part, "text", f"[{part.type}]") for part in result.content)
        return f"{TOOL_ERROR} {text}" if result.is_error else text

    def close(self) -> None:
        """Close the connection, which ends the server's process; the next use connects again."""
        served, self._served, self._client = self._served, None, None
        if served is None:
            return
        if self._end is not None and not served.done():
            self._thread.start(_set(self._end))
        try:
            served.result(_STOP_S)
        except Exception:  # the server may have died before, or does not end
            served.cancel()

    def _listed(self) -> list[Any]:
        client = self._connected()
        found = self._thread.wait(_all_tools(client), self._settings.timeout_s)
        wanted = self._settings.tools
        if wanted is None:
            return found
        by_name = {one.name: one for one in found}
        missing = [name for name in wanted if name not in by_name]
        if missing:
            self.close()
            raise ValueError(
                f"The MCP server {self._settings.shown!r} has no tool {missing[0]!r}; it has"
                f" {', '.join(by_name)}."
            )
        return [by_name[name] for name in wanted]

    def _connected(self) -> Any:
        if self._client is not None and self._served is not None and not self._served.done():
            return self._client
        self.close()
        ready: Future[Any] = Future()
        self._served = self._thread.start(self._serve(ready))
        try:
            self._client = ready.result(self._settings.timeout_s)
        except Exception as error:
            self.close()
            raise RuntimeError(
                f"The MCP server {self._settings.shown!r} cannot be reached: {described(error)}."
                " Check that the command runs and speaks MCP, or that the URL is right."
            ) from error
        return self._client

    async def _serve(self, ready: Future[Any]) -> None:
        """Hold the connection open, in the task that opened it."""
        self._end = asyncio.Event()
        try:
            async with _client_of(self._settings) as client:
                ready.set_result(client)
                await self._end.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(RuntimeError(described(_first_of(error))))
            if not isinstance(error, Exception):
                raise


class McpTool(Tool):
    """A tool of an MCP server."""

    def __init__(self, listed: Any, server: McpServer) -> None:
        """Take over what the server says of the tool."""
        self.name, self._server = listed.name, server
        parameters = {"properties": {}, **listed.input_schema}
        parameters.pop("title", None)
        self.schema = {
            "type": "function",
            "function": {
                "name": listed.name,
                "description": listed.description or "",
                "parameters": parameters,
            },
        }

    def call(self, arguments: Mapping[str, Any]) -> str:
        """See the base class; the types of the arguments are the server's to check.

        Raises:
            RuntimeError: The server failed, which ends the episode.
        """
        parameters = self.schema["function"]["parameters"]
        any_name = parameters.get("additionalProperties", False) is not False
        reasons = list(self.misfits(arguments, any_name=any_name))
        return self.refusal(reasons) if reasons else self._server.call(self.name, arguments)


def _client_of(settings: McpSettings) -> Any:
    from mcp import Client, StdioServerParameters

    if settings.url is not None:
        return Client(settings.url, read_timeout_seconds=settings.timeout_s)
    program, *arguments = settings.command or ()
    parameters = StdioServerParameters(
        command=program, args=arguments, env={**os.environ, **settings.env}, cwd=settings.cwd
    )
    return Client(parameters, read_timeout_seconds=settings.timeout_s)


async def _all_tools(client: Any) -> list[Any]:
    tools, cursor = list[Any](), None
    while True:
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if not cursor:
            return tools


async def _set(event: asyncio.Event) -> None:
    event.set()


def _is_refusal(error: Exception) -> bool:
    """Return whether the server answered that the call is wrong, with JSON-RPC's code for it."""
    code = getattr(getattr(error, "error", None), "code", None)
    return code in (-32602, -32601)


def _first_of(error: BaseException) -> BaseException:
    """Return the first error of a group, as task groups raise them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

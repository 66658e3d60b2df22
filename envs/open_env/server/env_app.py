"""The web application of a served environment: sessions at ``/ws``, and what it is elsewhere.

Routes and answers are those of openenv 0.10.0 (``core/env_server/http_server.py``). Its ``POST
/reset`` and ``/step``, which make an environment for each request, are left out, and so are MCP and
the page for browsers.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ...common.option_checks import check_positive, check_whole
from ...info_fence import described
from ..messages import (
    CAPACITY_REACHED,
    CLOSE,
    FACTORY_ERROR,
    INVALID_JSON,
    METADATA,
    SESSION_ERROR,
    TEXT,
    decode,
)
from .hosted_session import HostedSession, error_answer
from .served_env import ServedEnv

_MOST_THREADS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingLimits:
    """What clients may use.

    Attributes:
        max_sessions: How many may play at a time; another one is refused.
        idle_timeout_s: The time after which a session without a message ends.
        max_action_chars: The longest text of an action.
    """

    max_sessions: int = 256
    idle_timeout_s: float = 3600.0
    max_action_chars: int = 100_000

    def __post_init__(self) -> None:
        """Check every value."""
        check_whole("max_sessions", self.max_sessions, low=1)
        check_positive("idle_timeout_s", self.idle_timeout_s)
        check_whole("max_action_chars", self.max_action_chars, low=1)

    @property
    def max_message_bytes(self) -> int:
        """The longest message: JSON writes a character in at most twelve bytes."""
        return 12 * self.max_action_chars + 4096


class EnvApp:
    """Plays sessions of one environment, each with an instance of its own.

    Environments that say that they run in threads do; others play in one thread, one call at a
    time, because they may share global state.
    """

    def __init__(self, served: ServedEnv, limits: ServingLimits) -> None:
        """Start without sessions."""
        self._served, self._limits = served, limits
        self._num_sessions = 0
        num_threads = min(_MOST_THREADS, limits.max_sessions) if served.may_thread else 1
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="open-env")
        self.asgi = Starlette(
            routes=[
                Route("/health", self._health),
                Route("/schema", self._schema),
                Route("/metadata", self._metadata),
                WebSocketRoute("/ws", self._session),
            ]
        )

    @property
    def num_sessions(self) -> int:
        """The number of sessions that play."""
        return self._num_sessions

    async def _health(self, request: Request) -> JSONResponse:
        return JSONResponse({"status": "healthy"})

    async def _schema(self, request: Request) -> JSONResponse:
        return JSONResponse(schema())

    async def _metadata(self, request: Request) -> JSONResponse:
        served = self._served
        return JSONResponse({"name": served.env_id, "description": served.description})

    async def _session(self, websocket: WebSocket) -> None:
        if "origin" in websocket.headers:  # any page that a user opens could play otherwise
            await websocket.close(1008)
            return
        await websocket.accept()
        with suppress(WebSocketDisconnect, RuntimeError):  # the client has gone
            last_words = await self._play(websocket)
            if last_words is not None:
                await websocket.send_text(last_words)
            await websocket.close()

    async def _play(self, websocket: WebSocket) -> str | None:
        """Play a session to its end and return the error that ended it, if one did."""
        limit = self._limits.max_sessions
        if self._num_sessions >= limit:
            return error_answer(
                CAPACITY_REACHED,
                f"Server at capacity: {self._num_sessions}/{limit} sessions active",
                active_sessions=self._num_sessions,
                max_sessions=limit,
            )
        self._num_sessions += 1  # before the first await, so that two cannot take the same place
        try:
            return await self._host(websocket)
        finally:
            self._num_sessions -= 1

    async def _host(self, websocket: WebSocket) -> str | None:
        try:
            env = await self._in_thread(self._served.make)
        except BaseException as error:  # the environment's constructor may raise anything
            if isinstance(error, asyncio.CancelledError):
                raise
            return error_answer(FACTORY_ERROR, described(error), factory_name=self._served.env_id)
        session = HostedSession(env, max_action_chars=self._limits.max_action_chars)
        try:
            return await self._converse(websocket, session)
        finally:
            await self._in_thread(session.close)

    async def _converse(self, websocket: WebSocket, session: HostedSession) -> str | None:
        limit_s = self._limits.idle_timeout_s
        while True:
            try:
                text = await asyncio.wait_for(_receive(websocket), limit_s)
            except TimeoutError:
                return error_answer(SESSION_ERROR, f"The session was idle for {limit_s:g} s")
            try:
                kind, data = decode(text)
            except (ValueError, RecursionError) as error:
                await websocket.send_text(error_answer(INVALID_JSON, f"Invalid JSON: {error}"))
                continue
            if kind == CLOSE:
                return None
            await websocket.send_text(await self._in_thread(session.answer, kind, data))

    async def _in_thread(self, call: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)


async def _receive(websocket: WebSocket) -> str | bytes:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    return message.get("text") or message.get("bytes") or ""


def schema() -> dict[str, Any]:
    """Return the JSON schemas of actions, observations and states."""
    text, texts = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
    base = {METADATA: {"type": "object"}}
    seen = {TEXT: text, "task": text, "admissible_actions": texts, **base}
    state = {"episode_id": {"type": ["string", "null"]}, "step_count": {"type": "integer"}}
    observation = {
        "reward": {"type": ["number", "null"]},
        "done": {"type": "boolean"},
        **seen,
    }
    return {
        "action": _object("TextAction", {TEXT: text, **base}, [TEXT]),
        "observation": _object("TextObservation", observation, [TEXT]),
        "state": _object("State", state, []),
    }


def _object(title: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"title": title, "type": "object", "properties": properties, "required": required}

"""The web application of a served environment: sessions at ``/ws``, and what it is elsewhere.

Routes and answers are those of openenv 0.10.0 (``core/env_server/http_server.py``). Its ``POST
/reset`` and ``/step``, which make an environment for each request, are left out, and so are MCP and
the page for browsers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ...common.option_checks import check_positive, check_whole
from ..messages import (
    CAPACITY_REACHED,
    CLOSE,
    FACTORY_ERROR,
    INVALID_JSON,
    METADATA,
    OUR_MARK,
    SESSION_ERROR,
    TEXT,
    decode,
)
from .hosted_session import error_answer
from .served_env import ServedEnv
from .session_thread import SessionThread

logger = logging.getLogger(__name__)

_CLOSE_S = 3.0  # for an environment to close, before its place is given away
_MOST_UNREAD = 16  # messages that a client may send before their answers


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingLimits:
    """What clients may use.

    Attributes:
        max_sessions: How many may play at a time; another one is refused.
        idle_timeout_s: The time after which a session without a message ends.
        step_timeout_s: The time after which a call of an environment (a step, a reset, its making)
            counts as hung, and its session ends.
        max_action_chars: The longest text of an action.
    """

    max_sessions: int = 256
    idle_timeout_s: float = 3600.0
    step_timeout_s: float = 30.0
    max_action_chars: int = 100_000

    def __post_init__(self) -> None:
        """Check every value."""
        check_whole("max_sessions", self.max_sessions, low=1)
        check_positive("idle_timeout_s", self.idle_timeout_s)
        check_positive("step_timeout_s", self.step_timeout_s)
        check_whole("max_action_chars", self.max_action_chars, low=1)

    @property
    def max_message_bytes(self) -> int:
        """The longest message: JSON writes a character in at most twelve bytes."""
        return 12 * self.max_action_chars + 4096


class EnvApp:
    """Plays sessions of one environment, each with its own instance and thread.

    Environments that say that they run in threads do; others take turns, one call at a time,
    because they may share global state.
    """

    def __init__(self, served: ServedEnv, limits: ServingLimits) -> None:
        """Start without sessions."""
        self._served, self._limits = served, limits
        self._num_sessions = 0
        self._has_refused = False
        self._closings: set[asyncio.Task[None]] = set()
        self._turns: AbstractAsyncContextManager[Any] = (
            nullcontext() if served.may_thread else asyncio.Lock()
        )
        self.asgi = Starlette(
            lifespan=self._lifespan,
            routes=[
                Route("/health", self._health),
                Route("/schema", self._schema),
                Route("/metadata", self._metadata),
                WebSocketRoute("/ws", self._session),
            ],
        )

    @property
    def num_sessions(self) -> int:
        """The number of sessions that play."""
        return self._num_sessions

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        yield
        if self._closings:  # a step that does not hang ends, and its environment is closed
            await asyncio.wait(self._closings, timeout=_CLOSE_S)

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
            if not self._has_refused:
                self._has_refused = True
                logger.warning(
                    "All %d sessions are in use, so another one is refused (--max-sessions).", limit
                )
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
        thread = SessionThread(
            self._served,
            max_action_chars=self._limits.max_action_chars,
            turns=self._turns,
            limit_s=self._limits.step_timeout_s,
        )
        inbox: asyncio.Queue[str | bytes] = asyncio.Queue(_MOST_UNREAD)
        listening = asyncio.create_task(_listen(websocket, inbox))
        talking = asyncio.create_task(self._converse(websocket, inbox, thread))
        try:
            # A client that leaves is noticed during a step too.
            await asyncio.wait({listening, talking}, return_when=asyncio.FIRST_COMPLETED)
            return await talking if talking.done() else None
        finally:
            listening.cancel()
            talking.cancel()
            await self._close(thread)

    async def _close(self, thread: SessionThread) -> None:
        """Close a session's environment, without waiting for a call that runs."""
        is_busy = thread.is_busy
        closing = asyncio.create_task(thread.close())
        self._closings.add(closing)
        closing.add_done_callback(self._closings.discard)
        if not is_busy:
            await asyncio.wait({closing}, timeout=_CLOSE_S)

    async def _converse(
        self, websocket: WebSocket, inbox: asyncio.Queue[str | bytes], thread: SessionThread
    ) -> str | None:
        failure = await thread.open()
        if failure != "":
            return failure or self._hung(FACTORY_ERROR)
        limit_s = self._limits.idle_timeout_s
        while True:
            try:
                text = await asyncio.wait_for(inbox.get(), limit_s)
            except TimeoutError:
                return error_answer(SESSION_ERROR, f"The session was idle for {limit_s:g} s")
            try:
                kind, data = decode(text)
            except (ValueError, RecursionError) as error:
                await websocket.send_text(error_answer(INVALID_JSON, f"Invalid JSON: {error}"))
                continue
            if kind == CLOSE:
                return None
            answer = await thread.answer(kind, data)
            if answer is None:
                return self._hung(SESSION_ERROR)
            await websocket.send_text(answer)

    def _hung(self, code: str) -> str:
        return error_answer(
            code,
            f"The environment did not answer within {self._limits.step_timeout_s:g} s. Raise the "
            "server's --step-timeout, or look at what the environment does",
        )


async def _listen(websocket: WebSocket, inbox: asyncio.Queue[str | bytes]) -> None:
    """Put messages into the inbox until the client has gone."""
    with suppress(WebSocketDisconnect):
        while True:
            await inbox.put(await _receive(websocket))


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
    marked = {"$comment": OUR_MARK, **_object("TextObservation", observation, [TEXT])}
    return {
        "action": _object("TextAction", {TEXT: text, **base}, [TEXT]),
        "observation": marked,
        "state": _object("State", state, []),
    }


def _object(title: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"title": title, "type": "object", "properties": properties, "required": required}

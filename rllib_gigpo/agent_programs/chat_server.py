"""The HTTP server of the endpoint, on a thread."""

from __future__ import annotations

import asyncio
import json
import math
import socket
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any

import uvicorn
from ray.util import get_node_ip_address
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from rllib_gigpo.agent_programs.chat.chat_answer import ChatAnswer
from rllib_gigpo.agent_programs.chat.chat_error import ChatError
from rllib_gigpo.agent_programs.chat.chat_request import ChatRequest
from rllib_gigpo.agent_programs.engine_loop import AskedCall
from rllib_gigpo.errors import ConfigError

_LEFT = 499  # nginx's status for a client that has left
ANCHOR_HEADER = "x-anchor"
_CHECK_S = 0.5  # how often a waiting call looks whether its episode is still under way
_KEEP_ALIVE_S = 600  # longer than clients keep idle connections, so that none is closed in use
_ANY_ADDRESS = ("0.0.0.0", "::")
_NOT_COUNTED = (401, _LEFT)  # of episodes that are over, and of clients that are gone
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_ROUTES = "POST /v1/chat/completions, POST /v1/reward, GET /v1/models and GET /health"


class ChatServer:
    """An OpenAI-compatible server whose keys name episodes.

    Attributes:
        base_url: The URL before ``/chat/completions``.
        open_keys: The keys that are answered.
    """

    def __init__(
        self,
        *,
        host: str,
        max_request_bytes: int,
        ask: Callable[[AskedCall], None],
        post_reward: Callable[[str, dict[str, Any]], None],
    ) -> None:
        """Start to listen on a free port.

        Args:
            host: The address to listen on; 0.0.0.0 for all of this machine.
            max_request_bytes: Largest body of a request.
            ask: Gets each call; called on the server's thread.
            post_reward: Gets a key and what was posted for its episode.

        Raises:
            ConfigError: The address cannot be listened on.
        """
        self.open_keys: set[str] = set()
        self._num_refused = 0
        self._max_bytes, self._ask, self._post_reward = max_request_bytes, ask, post_reward
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.bind((host, 0))
            self._socket.listen(128)  # so that calls wait until the thread accepts them
        except OSError as error:
            self._socket.close()
            raise ConfigError(
                f"env_config['host']={host!r}: cannot listen there: {error}. Use an address of"
                " this machine, such as 127.0.0.1."
            ) from error
        reached = get_node_ip_address() if host in _ANY_ADDRESS else host
        name = f"[{reached}]" if ":" in reached else reached
        self.base_url = f"http://{name}:{self._socket.getsockname()[1]}/v1"
        config = uvicorn.Config(
            self._app(),
            log_config=None,  # uvicorn's would close the handlers of the process's own logs
            lifespan="off",
            access_log=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        self._server = uvicorn.Server(config)
        sockets = [self._socket]
        self._thread = Thread(
            target=self._server.run, args=(sockets,), name="chat-server", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Close the port; calls under way are cut off."""
        self.open_keys.clear()
        self._server.should_exit = True
        self._thread.join(timeout=4 * _CHECK_S)  # waiting calls are told that they are over
        self._server.force_exit = True
        self._thread.join(timeout=5)
        self._socket.close()

    def take_refusals(self) -> int:
        """Return how many requests of episodes under way were refused since the last call."""
        num_refused, self._num_refused = self._num_refused, 0
        return num_refused

    def _app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._guarded(self._chat), methods=["POST"]),
                Route("/v1/reward", self._guarded(self._reward), methods=["POST"]),
                Route("/v1/models", self._guarded(self._models), methods=["GET"]),
                Route("/health", self._guarded(self._health), methods=["GET"]),
                Route("/{path:path}", self._guarded(self._unknown), methods=_METHODS),
            ]
        )

    def _guarded(self, handler: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """Return a handler that answers errors in OpenAI's form, and counts them."""

        async def guarded(request: Request) -> Response:
            try:
                return await handler(request)
            except ChatError as error:
                self._num_refused += error.status not in _NOT_COUNTED
                return _json(error.body, status=error.status)

        return guarded

    async def _chat(self, request: Request) -> Response:
        key = await self._key_of(request)
        asked = AskedCall(
            api_key=key,
            request=ChatRequest.from_body(await self._body_of(request)),
            anchor=request.headers.get(ANCHOR_HEADER),
        )
        self._ask(asked)
        answer = await self._answered(asked, request)
        if not asked.request.is_streamed:
            return _json(answer.body)
        events = answer.events(with_usage=asked.request.with_usage)
        return StreamingResponse(events, media_type="text/event-stream")

    async def _answered(self, asked: AskedCall, request: Request) -> ChatAnswer:
        """Wait for the answer, or until the client has left or the episode is over."""
        answer: asyncio.Future[Any] = asyncio.wrap_future(asked.answer)
        leaving: asyncio.Future[Any] = asyncio.ensure_future(_departure(request))
        try:
            while not answer.done():
                await asyncio.wait(
                    [answer, leaving], timeout=_CHECK_S, return_when=asyncio.FIRST_COMPLETED
                )
                if leaving.done() and not answer.done():
                    raise ChatError("The client has left.", status=_LEFT)
                if asked.api_key not in self.open_keys and not answer.done():
                    raise _over()
            return answer.result()
        finally:
            asked.is_abandoned = not answer.done()
            leaving.cancel()

    async def _reward(self, request: Request) -> Response:
        key, body = await self._key_of(request), await self._body_of(request)
        try:
            posted = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise ChatError(f"The body is not valid JSON: {error}") from error
        reward = posted.get("reward") if isinstance(posted, dict) else None
        if not _is_finite(reward):
            raise ChatError(
                'POST {"reward": a finite number} to /v1/reward; keys of info, such as "won": true,'
                " may stand beside it."
            )
        self._post_reward(key, posted)
        return _json({"reward": reward})

    async def _models(self, request: Request) -> Response:
        await self._key_of(request)
        return _json({"object": "list", "data": [{"id": "policy", "object": "model"}]})

    async def _health(self, request: Request) -> Response:
        return _json({"status": "ok"})

    async def _unknown(self, request: Request) -> Response:
        raise ChatError(
            f"{request.method} {request.url.path} is not served here; there are {_ROUTES}.",
            status=404,
            code="not_found",
        )

    async def _key_of(self, request: Request) -> str:
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not key:
            raise ChatError(
                "Send the key of the episode as 'Authorization: Bearer KEY'; OpenAI's clients do so"
                " with their api_key.",
                status=401,
                code="invalid_api_key",
            )
        if key.strip() not in self.open_keys:
            await asyncio.sleep(_CHECK_S)  # a program that ignores errors would keep a CPU busy
            raise _over()
        return key.strip()

    async def _body_of(self, request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._max_bytes:
                raise ChatError(
                    f"The request has more than {self._max_bytes} bytes; send less, or raise"
                    " env_config={'max_request_bytes': ...}.",
                    status=413,
                    code="request_too_large",
                )
        return bytes(body)


def _json(body: Mapping[str, Any], *, status: int = 200) -> Response:
    """Return an answer in ASCII, which can hold every text, even half of a surrogate pair."""
    return Response(json.dumps(body), status_code=status, media_type="application/json")


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # of a whole number that no float can hold
        return False


async def _departure(request: Request) -> None:
    """Return when the client has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _over() -> ChatError:
    return ChatError(
        "The key belongs to no episode under way: the episode is over, or the key is wrong.",
        status=401,
        code="invalid_api_key",
    )

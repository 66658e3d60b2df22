"""Servers of OpenEnv in this process: ours, and one that a test writes answer by answer."""

import asyncio
import json
from contextlib import contextmanager
from types import SimpleNamespace

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from rllib_gigpo.envs.open_env.server.env_app import EnvApp, ServingLimits
from rllib_gigpo.envs.open_env.server.env_server import EnvServer
from rllib_gigpo.envs.open_env.server.served_env import ServedEnv

CORRIDOR = "rllib_gigpo.envs:Corridor-v0"
OPEN_ENV = "rllib_gigpo.envs:OpenEnv-v0"
TEXT, COUNT = {"type": "string"}, {"type": "integer"}


@contextmanager
def serving(env_id=CORRIDOR, env_config=None, *, port=0, **limits):
    """Serve an environment inside the block, which gets its url and the app."""
    limits = ServingLimits(**limits)
    app = EnvApp(ServedEnv.try_out(env_id, env_config or {}), limits)
    size = limits.max_message_bytes
    with EnvServer(app.asgi, port=port, max_message_bytes=size).in_background() as url:
        yield SimpleNamespace(url=url, app=app, port=int(url.rpartition(":")[2]))


def observed(observation, *, reward=None, done=False, **more):
    data = {"observation": observation, "reward": reward, "done": done, **more}
    return {"type": "observation", "data": data}


def error(code, message="no"):
    return {"type": "error", "data": {"code": code, "message": message}}


@contextmanager
def foreign_server(react, *, action=None, observation=None, required=("message",)):
    """Serve ``react(kind, data)``, which returns a message, text to send as it is, or None.

    None ends the connection, and a number waits for so many seconds before an empty observation.
    """
    schema = {
        "action": {"properties": action or {"message": TEXT}, "required": list(required)},
        "observation": {"properties": observation or {"reply": TEXT}},
        "state": {},
    }
    heard = []

    async def session(websocket):
        await websocket.accept()
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            asked = json.loads(message["text"])
            kind, data = asked["type"], asked.get("data", {})
            heard.append((kind, data))
            answer = {"type": "state", "data": {}} if kind == "state" else react(kind, data)
            if answer is None or kind == "close":
                await websocket.close()
                return
            if isinstance(answer, int | float):
                await asyncio.sleep(answer)
                answer = observed({"reply": "late"})
            await websocket.send_text(answer if isinstance(answer, str) else json.dumps(answer))

    routes = [Route("/schema", lambda request: JSONResponse(schema))]
    app = Starlette(routes=[*routes, WebSocketRoute("/ws", session)])
    with EnvServer(app).in_background() as url:
        yield SimpleNamespace(url=url, heard=heard)


@contextmanager
def protected_server(token, scopes=("http", "websocket")):
    """Serve an environment to those who show ``token``, on requests of the kinds ``scopes``."""
    app = EnvApp(ServedEnv.try_out(CORRIDOR, {}), ServingLimits())

    async def guarded(scope, receive, send):
        shown = dict(scope.get("headers", ())).get(b"authorization")
        if scope["type"] not in scopes or shown == f"Bearer {token}".encode():
            await app.asgi(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse("no", status_code=401)(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close"})  # before the handshake: status 403

    with EnvServer(guarded).in_background() as url:
        yield url


@contextmanager
def other_web_server(body="<html>hello</html>", status=200):
    """Serve a page that has nothing to do with OpenEnv, under every address."""

    def answer(request):
        return PlainTextResponse(body, status_code=status)

    with EnvServer(Starlette(routes=[Route("/{path:path}", answer)])).in_background() as url:
        yield url

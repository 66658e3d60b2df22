"""Serves an OpenEnv package on this machine for as long as the parent process wants it.

It runs as a script, ``python packaged_app.py MODULE:APP TOKEN``, in the package's own Python, which
may lack rllib-gigpo; uvicorn comes with openenv. It prints ``TOKEN PORT`` and ends with its stdin.
"""

import os
import socket
import sys
import threading
import time
from typing import Any

_GRACE_S = 5  # for sessions to close their environments


def main(app: str, token: str) -> None:
    """Serve ``app``, such as "echo_env.server.app:app", on a free port of the loopback address."""
    import uvicorn

    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE_S - 1
    )
    config.load()  # imports the package; a failure is told on stderr
    config.loaded_app = without_pages(config.loaded_app)
    server = uvicorn.Server(config)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    print(f"{token} {listener.getsockname()[1]}", flush=True)  # the package may print other lines
    os.dup2(2, 1)  # nobody reads further output
    threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
    server.run([listener])


def without_pages(app: Any) -> Any:
    """Return an ASGI application that refuses web pages, which any user may open, with 403.

    Browsers name a page's ``Origin``, and no other client does. openenv's own application has no
    such check, so every page could run steps.
    """

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if not any(name.lower() == b"origin" for name, _ in scope.get("headers", ())):
            await app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before accept: 403
        else:
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b"Web pages cannot play here.\n"})

    return guarded


def _end_with_parent(server: Any) -> None:
    """Wait for the end of stdin: the parent closed it, or died in any way.

    The server is then asked to close its sessions, and the process ends even if one of them hangs.
    """
    while sys.stdin.buffer.read(1024):
        pass
    server.should_exit = True
    time.sleep(_GRACE_S)
    os._exit(0)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder, whose modules are not meant to be top-level ones
    main(*sys.argv[1:])

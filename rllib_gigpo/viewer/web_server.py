"""Serves the pages on this machine only."""

from __future__ import annotations

import socket
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from rllib_gigpo.errors import GiGPOError
from rllib_gigpo.viewer.site import Site, assets

HOST = "127.0.0.1"
_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:"


def make_app(site: Site) -> Starlette:
    """Return the web application of a site; it answers to the names of this machine only."""
    files = assets()

    def answer(request: Request) -> Response:
        address = request.path_params["address"]
        if address in files:
            return FileResponse(files[address])
        text = site.page(address)
        if text is None:
            return PlainTextResponse(f"there is no page {address}", status_code=404)
        kind = "text/javascript" if address.endswith(".js") else "text/html"
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
        return Response(text, media_type=kind, headers=headers)

    def stamp(request: Request) -> Response:
        return PlainTextResponse(site.stamp(), headers={"Cache-Control": "no-store"})

    return Starlette(
        routes=[Route("/stamp", stamp), Route("/{address:path}", answer)],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])],
    )


def serve(site: Site, port: int, *, on_start: Callable[[str], None]) -> None:
    """Serve until the process is interrupted.

    Args:
        site: The pages; make it live.
        port: TCP port; 0 takes a free one.
        on_start: Gets the page's address once the port is taken.

    Raises:
        GiGPOError: The port is taken by another process.
    """
    import uvicorn

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise GiGPOError(f"port {port}: {error.strerror}; pass another --port, or 0") from error
    with listener:
        app = make_app(site)
        on_start(f"http://{HOST}:{listener.getsockname()[1]}/")
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listener])

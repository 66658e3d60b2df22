"""An application of a package that checks nothing, and takes a moment to close a session."""

import asyncio
import os
from pathlib import Path

print("listening 1")
print("a line without an end", end="")


async def app(scope, receive, send):
    """Greet over HTTP; over a WebSocket, play until the client has gone."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "played"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        await asyncio.sleep(1)
        if "RAW_ASGI_DIARY" in os.environ:
            Path(os.environ["RAW_ASGI_DIARY"]).write_text("closed")

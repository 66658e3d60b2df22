"""An MCP server for tests, its own process: it counts, fails, sleeps and dies.

With a port as argument, it listens there; otherwise it speaks by standard input and output.
"""

import os
import sys
import time

from mcp.server import MCPServer

server = MCPServer("stock")
state = {"calls": 0}


@server.tool()
def stock(good: str) -> int:
    """Say how many pieces of a good there are."""
    return {"apples": 3, "figs": 4}[good]


@server.tool()
def num_calls() -> int:
    """Count the calls of this tool, a state of the server."""
    state["calls"] += 1
    return state["calls"]


@server.tool()
def wait(seconds: float) -> str:
    """Wait."""
    time.sleep(seconds)
    return "waited"


@server.tool()
def die() -> str:
    """End the server's process."""
    os._exit(3)


if __name__ == "__main__":
    if sys.argv[1:]:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    server.run()

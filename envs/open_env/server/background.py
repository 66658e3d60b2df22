"""A served environment in this process, for examples, notebooks and tests."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from .env_app import EnvApp, ServingLimits
from .env_server import EnvServer
from .served_env import ServedEnv


def serve_in_background(
    env_id: str, env_config: Mapping[str, Any] | None = None, *, port: int = 0
) -> str:
    """Serve an environment on this machine until the process ends, and return the address.

    Use ``rllib serve-env`` for a server that outlives the process or uses another CPU.

    Args:
        env_id: Its Gymnasium id.
        env_config: Its settings.
        port: The port; 0 picks a free one.
    """
    limits = ServingLimits()
    app = EnvApp(ServedEnv.try_out(env_id, env_config or {}), limits)
    server = EnvServer(app.asgi, port=port, max_message_bytes=limits.max_message_bytes)
    threading.Thread(target=server.run, name="env-server", daemon=True).start()
    return server.url

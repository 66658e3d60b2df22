"""A corridor as an OpenEnv application, for ``environments.py`` to serve and play."""

from __future__ import annotations

from rllib_gigpo.envs.open_env.server.env_app import EnvApp, ServingLimits
from rllib_gigpo.envs.open_env.server.served_env import ServedEnv

app = EnvApp(ServedEnv.try_out("rllib_gigpo.envs:Corridor-v0", {}), ServingLimits()).asgi

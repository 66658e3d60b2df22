"""The application, where openenv's template has it."""

from rllib_gigpo.envs.open_env.server.env_app import EnvApp, ServingLimits
from rllib_gigpo.envs.open_env.server.served_env import ServedEnv

print("a line that a package may print")
corridor = ServedEnv.try_out("rllib_gigpo.envs:Corridor-v0", {})
app = EnvApp(corridor, ServingLimits(max_sessions=1)).asgi

"""OpenEnv both ways: `open_env_env` plays a server's environment, `server` serves one of ours.

Both sides speak OpenEnv's WebSocket protocol themselves (`messages`), because the package
``openenv`` needs an older ``mcp`` than vLLM does. ``make integrations`` tests both against it.
"""

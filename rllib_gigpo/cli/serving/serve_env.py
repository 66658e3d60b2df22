"""`rllib serve-env`: offers an environment as an OpenEnv server."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from rllib_gigpo.cli.experiment import json_object, whole_number
from rllib_gigpo.cli.serving.listening import add_address_options, refusals
from rllib_gigpo.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from rllib_gigpo.envs.open_env.server.env_server import EnvServer


def add_parser(subparsers: Any) -> None:
    """Add the ``serve-env`` subcommand."""
    parser = subparsers.add_parser(
        "serve-env",
        help="serve an environment to trainers that speak OpenEnv",
        description="Offer an environment as an OpenEnv server: sessions at /ws, and GET /health, "
        "/schema and /metadata. Each session plays its own instance. Any Gymnasium "
        "environment with text as observations and actions can be served. Runs until interrupted. "
        "There are no passwords: with --host, everyone who reaches the port can play.",
    )
    parser.add_argument("env_id", metavar="ID", help="Gymnasium id of the environment")
    parser.add_argument(
        "--env-config", metavar="JSON", type=json_object, help="settings of the environment"
    )
    add_address_options(parser)
    parser.add_argument(
        "--max-sessions",
        metavar="N",
        type=whole_number(1),
        default=256,
        help="sessions that may play at a time; others are refused (default: 256)",
    )
    parser.add_argument(
        "--idle-timeout",
        metavar="SECONDS",
        type=whole_number(1),
        default=3600,
        help="end a session that sends nothing for this long (default: 3600)",
    )
    parser.add_argument(
        "--step-timeout",
        metavar="SECONDS",
        type=whole_number(1),
        default=30,
        help="end a session whose environment takes longer than this for a step, a reset or its "
        "making (default: 30)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``rllib serve-env`` until an interrupt and return the exit status."""
    server = make_server(args)
    print(f"environment  {server.url}", flush=True)
    server.run()
    return 0


def make_server(args: argparse.Namespace) -> EnvServer:
    """Try the environment once and bind the address.

    Raises:
        ConfigError: The environment cannot be played as text, or the address cannot be used.
        MissingExtraError: A package is not installed.
    """
    from rllib_gigpo.envs.open_env.server.env_app import EnvApp, ServingLimits
    from rllib_gigpo.envs.open_env.server.env_server import EnvServer
    from rllib_gigpo.envs.open_env.server.served_env import ServedEnv

    limits = ServingLimits(
        max_sessions=args.max_sessions,
        idle_timeout_s=float(args.idle_timeout),
        step_timeout_s=float(args.step_timeout),
    )
    try:
        served = ServedEnv.try_out(args.env_id, args.env_config or {})
    except ImportError as error:
        raise MissingExtraError(f"{args.env_id} cannot be served: {error}") from error
    except Exception as error:  # the environment's own code may raise anything
        raise ConfigError(
            f"{args.env_id} cannot be served: {type(error).__name__}: {error}"
        ) from error
    try:
        with refusals(args):
            return EnvServer(
                EnvApp(served, limits).asgi,
                host=args.host,
                port=args.port,
                max_message_bytes=limits.max_message_bytes,
            )
    except ImportError as error:
        raise MissingExtraError(str(error)) from error

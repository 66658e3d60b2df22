"""`rllib check-env`: tests without an LLM whether an environment keeps the contract."""

from __future__ import annotations

import argparse
from typing import Any

from rllib_gigpo.cli.experiment import json_object, whole_number


def add_parser(subparsers: Any) -> None:
    """Add the ``check-env`` subcommand."""
    parser = subparsers.add_parser(
        "check-env",
        help="test whether an environment is fit for training",
        description="Play an environment at random, without an LLM, and list everything that would "
        "break training. The exit status is 1 if there is anything.",
    )
    parser.add_argument("env_id", metavar="ID", help='Gymnasium id, such as "my_module:MyEnv-v0"')
    parser.add_argument(
        "--env-config", metavar="JSON", type=json_object, help="settings of the environment"
    )
    parser.add_argument(
        "--num-episodes",
        metavar="N",
        type=whole_number(2),
        default=8,
        help="episodes of random play (default: 8)",
    )
    parser.add_argument(
        "--max-steps",
        metavar="N",
        type=whole_number(1),
        default=100,
        help="steps after which play of an episode stops (default: 100)",
    )
    parser.add_argument(
        "--observation-to-text", metavar="JINJA", help="template for a Dict observation"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``rllib check-env`` and return the exit status."""
    from rllib_gigpo.envs import check_env

    report = check_env(
        args.env_id,
        env_config=args.env_config,
        num_episodes=args.num_episodes,
        max_steps=args.max_steps,
        observation_to_text=args.observation_to_text,
    )
    print(report)
    return 0 if report.is_ok else 1

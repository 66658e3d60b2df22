"""The command line of ``check_env``.

Run ``python -m rllib_gigpo.envs.check_env ID --env-config JSON``; from Python, call
``rllib_gigpo.envs.check_env(...)`` instead.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from .conformance.check import check_env


def main(arguments: Sequence[str] | None = None) -> int:
    """Check an environment, print the report, and return 0 if it keeps the contract, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m rllib_gigpo.envs.check_env",
        description="Check without an LLM whether an environment keeps rllib-gigpo's contract.",
    )
    parser.add_argument("env", metavar="ID", help='Gymnasium id, such as "my_module:MyEnv-v0"')
    parser.add_argument("--env-config", type=json.loads, default={}, metavar="JSON")
    parser.add_argument("--num-episodes", type=int, default=8)
    parser.add_argument("--max-steps", type=int, default=100)
    parser.add_argument(
        "--observation-to-text", metavar="JINJA", help="template for a Dict observation"
    )
    options = parser.parse_args(arguments)
    report = check_env(
        options.env,
        env_config=options.env_config,
        num_episodes=options.num_episodes,
        max_steps=options.max_steps,
        observation_to_text=options.observation_to_text,
    )
    print(report)
    return 0 if report.is_ok else 1


if __name__ == "__main__":
    sys.exit(main())

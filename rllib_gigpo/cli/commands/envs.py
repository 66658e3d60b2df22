"""`rllib envs`: lists the environments of the package and what each needs."""

import argparse
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the ``envs`` subcommand."""
    parser = subparsers.add_parser(
        "envs",
        help="list the environments",
        description="List the environments: what the agent does, which extra of the package each "
        "needs, and whether it is installed.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``rllib envs`` and return the exit status."""
    from rllib_gigpo.envs import CATALOGUE

    width = max(len(entry.id) for entry in CATALOGUE)
    extras = max(len(entry.extra or "") for entry in CATALOGUE)
    for entry in CATALOGUE:
        state = ", ".join(entry.missing) or "installed"
        extra = entry.extra or "-"
        print(f"{entry.id:<{width}}  {extra:<{extras}}  {entry.summary}  ({state})")
    return 0

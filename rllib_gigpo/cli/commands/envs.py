"""`rllib envs`: all environments of the package, and what each of them needs."""

import argparse
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add ``envs`` to the command."""
    parser = subparsers.add_parser(
        "envs",
        help="list the environments",
        description="List the environments, what the agent does there, the extra of the package "
        "that each needs, and whether it is installed.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out ``rllib envs``; returns the exit status."""
    from rllib_gigpo.envs import CATALOGUE

    width = max(len(entry.id) for entry in CATALOGUE)
    extras = max(len(entry.extra or "") for entry in CATALOGUE)
    for entry in CATALOGUE:
        state = ", ".join(entry.missing) or "installed"
        extra = entry.extra or "-"
        print(f"{entry.id:<{width}}  {extra:<{extras}}  {entry.summary}  ({state})")
    return 0

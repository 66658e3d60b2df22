"""`rllib doctor`: lists what is missing, what needs it, and how to get it."""

import argparse
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the ``doctor`` subcommand."""
    parser = subparsers.add_parser(
        "doctor",
        help="check the installation",
        description="Check packages, GPUs, memory and programs: what is there, what is missing, "
        "what needs it, and how to get it. The exit status is 1 if no training can run.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``rllib doctor`` and return the exit status."""
    from rllib_gigpo.cli.health_checks import find_all

    findings = find_all()
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        print(f"{finding.subject:<{width}}  {finding.text}")
        if finding.lacking:
            print(f"{'':<{width}}    needed for  {finding.lacking}")
            print(f"{'':<{width}}    cure        {finding.cure}")
    if any(finding.stops_training for finding in findings):
        print("no training can run here")
        return 1
    print("training can run here")
    return 0

"""`rllib panel list`: the panels that come with the package."""

import argparse
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the ``list`` action."""
    parser = subparsers.add_parser("list", help="list the panels that come with the package")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one line for each panel."""
    from rllib_gigpo.panels.panel import load_panel, shipped_panels

    for name in shipped_panels():
        panel = load_panel(name)
        seeds, hashes = len(panel.decoding.seeds), "" if panel.is_complete else "  no hashes yet"
        plays = "once" if seeds == 1 else f"{seeds} times"
        print(
            f"{name:<24} {panel.digest}  {len(panel.tasks):>4} tasks, each {plays}"
            f"  {panel.env}{hashes}"
        )
    return 0

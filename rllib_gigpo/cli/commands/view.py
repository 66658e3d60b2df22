"""`rllib view`: shows runs, their episodes and their states in a browser."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rllib_gigpo.cli.serving.listening import PORT

DEFAULT_PORT = 8270


def add_parser(subparsers: Any) -> None:
    """Add the ``view`` subcommand."""
    parser = subparsers.add_parser(
        "view",
        help="look at runs in a browser",
        description="Serve pages about runs on this machine: curves, recorded episodes with their "
        "credit step by step, graphs of states, anchor groups, and a search. The pages follow a "
        "run that goes on.",
    )
    parser.add_argument(
        "folder", type=Path, metavar="RUN_OR_FOLDER", help="a run's folder, or one with several"
    )
    parser.add_argument(
        "--port",
        type=PORT,
        default=DEFAULT_PORT,
        help="TCP port of the page; 0 takes a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--export",
        type=Path,
        metavar="DIR",
        help="write the pages to a new folder instead; index.html opens without a server",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``rllib view`` and return the exit status."""
    from rllib_gigpo.viewer.run_folder import find_runs
    from rllib_gigpo.viewer.site import Site

    runs = find_runs(args.folder)
    if args.export:
        from rllib_gigpo.viewer.static_export import export

        num_pages = export(Site(runs), args.export)
        print(f"{num_pages} pages; open {args.export / 'index.html'}")
        return 0

    from rllib_gigpo.viewer.web_server import serve

    site = Site(runs, folder=args.folder)
    serve(site, args.port, on_start=lambda address: print(f"page  {address}", flush=True))
    return 0

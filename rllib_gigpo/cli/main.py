"""The `rllib` command: picks the subcommand.

Each subcommand is a file with ``add_parser(subparsers)`` and ``run(args) -> int``; what is heavy
(Ray, torch, vLLM) is imported inside ``run``, so that ``rllib --help`` answers at once.
"""

import argparse
import os
import select
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rllib_gigpo import __version__
from rllib_gigpo.cli import INTERRUPTED, OUTPUT_CLOSED
from rllib_gigpo.cli.commands import (
    envs,
    evaluate,
    make_alfworld_games,
    play,
    serve_retriever,
    settings,
    train,
    warm_start,
)
from rllib_gigpo.cli.module_folders import modules_from
from rllib_gigpo.errors import GiGPOError

_STDOUT = 1  # number of the file

_SUBCOMMANDS = (
    train,
    evaluate,
    settings,
    warm_start,
    play,
    envs,
    serve_retriever,
    make_alfworld_games,
)


class _Parser(argparse.ArgumentParser):
    """Reports a mistake in one line; the long list of options is there for ``--help``."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}; {self.prog} --help lists the options\n")


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command."""
    parser = _Parser(
        prog="rllib", description="Train and evaluate LLM agents with GiGPO on Ray RLlib."
    )
    parser.add_argument("--version", action="version", version=f"rllib-gigpo {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for subcommand in _SUBCOMMANDS:
        subcommand.add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: The arguments after the command's name; None means those of the process.

    Returns:
        The exit status: 0 for success, 2 for a mistake in the arguments, files or settings, which
        is told in one line on stderr, 130 after Ctrl-C, 141 if the reader of stdout ended.
    """
    args = build_parser().parse_args(argv)
    try:
        with modules_from(Path.cwd()):
            status: int = args.run(args)
        sys.stdout.flush()
        return status
    except GiGPOError as error:
        print(f"rllib: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("rllib: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        if not _is_output_closed():
            raise
        return OUTPUT_CLOSED


def _is_output_closed() -> bool:
    """Whether nobody reads stdout any more, as after `| head`; what is left then goes nowhere."""
    output = select.poll()
    output.register(_STDOUT, 0)
    if not any(event & (select.POLLERR | select.POLLHUP) for _, event in output.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)
    return True


if __name__ == "__main__":
    sys.exit(main())

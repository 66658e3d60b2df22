"""Entry point of the `rllib` command, which parses the arguments and runs a subcommand.

Each subcommand is a file with ``add_parser(subparsers)`` and ``run(args) -> int``. Heavy packages
(Ray, torch, vLLM) are imported inside ``run``, so ``rllib --help`` answers at once.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rllib_gigpo import __version__
from rllib_gigpo.cli import INTERRUPTED, OUTPUT_CLOSED, SIGNALLED
from rllib_gigpo.cli.commands import (
    check_environment,
    doctor,
    envs,
    evaluate,
    import_model,
    make_alfworld_games,
    play,
    settings,
    train,
    view,
    warm_start,
)
from rllib_gigpo.cli.module_folders import modules_from
from rllib_gigpo.cli.panels import panel_command
from rllib_gigpo.cli.serving import serve_env, serve_retriever
from rllib_gigpo.cli.stop_signals import (
    StoppedBySignal,
    discard_closed_outputs,
    handled_signals,
    raise_stop,
)
from rllib_gigpo.errors import GiGPOError
from rllib_gigpo.installation import required_packages

_SUBCOMMANDS = (
    train,
    evaluate,
    panel_command,
    view,
    settings,
    warm_start,
    import_model,
    play,
    check_environment,
    envs,
    doctor,
    serve_env,
    serve_retriever,
    make_alfworld_games,
)


class _Parser(argparse.ArgumentParser):
    """A parser that reports a mistake in one line, without the long list of options."""

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
        argv: Arguments after the command's name; None takes those of the process.

    Returns:
        The exit status: 0 for success; 2 for a mistake in the arguments, files or settings, which
        is reported on stderr; 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP; 141 if the
        reader of stdout has exited.
    """
    args = build_parser().parse_args(argv)
    try:
        with modules_from(Path.cwd()), handled_signals(raise_stop):
            status: int = args.run(args)
        sys.stdout.flush()
        return status
    except GiGPOError as error:
        print(f"rllib: error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name not in {*required_packages(), "pyarrow"}:  # which Ray brings
            raise
        print(
            f"rllib: error: this needs {error.name}, which is not installed;"
            " `rllib doctor` tells what else is missing, and how to get it",
            file=sys.stderr,
        )
        return 2
    except StoppedBySignal as stop:
        print(f"rllib: {stop}", file=sys.stderr)
        return SIGNALLED + stop.number
    except KeyboardInterrupt:
        print("rllib: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # stdout's reader has exited, as after `| head`
        if not discard_closed_outputs():
            raise
        return OUTPUT_CLOSED


if __name__ == "__main__":
    sys.exit(main())

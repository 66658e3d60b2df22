"""The address that a server command listens on: its options, and the error if it is taken."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from rllib_gigpo.cli.experiment import whole_number
from rllib_gigpo.errors import ConfigError

PORT = whole_number(0, 65535)


def add_address_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--host`` and ``--port``."""
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: %(default)s, this machine only)",
    )
    parser.add_argument(
        "--port",
        metavar="N",
        type=PORT,
        default=8000,
        help="port to listen on; 0 picks a free one (default: %(default)s)",
    )


@contextmanager
def refusals(args: argparse.Namespace) -> Iterator[None]:
    """Tell in words why the address in ``args`` cannot be used.

    Raises:
        ConfigError: The address is taken, or this machine does not have it.
    """
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"Cannot listen on {args.host}:{args.port}: {error}. Choose another --host or --port; "
            "port 0 picks a free one."
        ) from error

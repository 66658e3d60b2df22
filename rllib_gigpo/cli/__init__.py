"""The `rllib` command, with one file per subcommand; only the subcommands import Ray."""

from typing import Final

SIGNALLED: Final = 128
"""Exit status after a signal, as in shells: 128 plus the signal's number."""

INTERRUPTED: Final = 130
"""Exit status after Ctrl-C, which is SIGINT."""

OUTPUT_CLOSED: Final = 141
"""Exit status if the reader of the output has exited: 128 plus the number of SIGPIPE."""

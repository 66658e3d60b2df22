"""The `rllib` command: one file per subcommand; Ray is imported inside the subcommands only."""

from typing import Final

INTERRUPTED: Final = 130
"""Exit status after Ctrl-C, as shells have it: 128 and the number of SIGINT."""

OUTPUT_CLOSED: Final = 141
"""Exit status when the reader of the output has ended: 128 and the number of SIGPIPE."""

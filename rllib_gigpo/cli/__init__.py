"""The `rllib` command: one file per subcommand; Ray is imported inside the subcommands only."""

from typing import Final

INTERRUPTED: Final = 130
"""Exit status after Ctrl-C, as shells have it: 128 and the number of SIGINT."""

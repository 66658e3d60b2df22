"""The `rllib` command: one file per subcommand; Ray is imported inside the subcommands only."""

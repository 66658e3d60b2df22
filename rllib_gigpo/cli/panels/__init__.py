"""The subcommands of `rllib panel`."""

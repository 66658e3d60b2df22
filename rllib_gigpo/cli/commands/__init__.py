"""The subcommands of `rllib`, one per file: `add_parser(subparsers)` and `run(args) -> int`."""

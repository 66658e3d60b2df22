"""The subcommands of `rllib`; each file has `add_parser(subparsers)` and `run(args) -> int`."""

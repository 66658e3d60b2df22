"""`rllib make-alfworld-games`: generates ALFWorld games in the folders of ALFWorld's own data."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rllib_gigpo.errors import ConfigError, MissingExtraError

_TRAIN, _VALID = "train", ("valid_seen", "valid_unseen")


def add_parser(subparsers: Any) -> None:
    """Add ``make-alfworld-games`` to the command."""
    parser = subparsers.add_parser(
        "make-alfworld-games",
        help="generate ALFWorld games for training and validation",
        description="Generate household tasks from what the package alfworld ships, each solved "
        "by the planner, and write them in the folders of ALFWorld's own data: name the output "
        "in ALFWORLD_DATA, or in the environment's data_dir. The same numbers give the same games, "
        "about two a second.",
    )
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="folder to fill")
    parser.add_argument(
        "--num-train", metavar="N", type=int, default=100, help="training games (default: 100)"
    )
    parser.add_argument(
        "--num-valid",
        metavar="M",
        type=int,
        default=20,
        help="games of each of valid_seen (in the rooms of training) and valid_unseen (in others) "
        "(default: 20)",
    )
    parser.add_argument(
        "--task-types",
        metavar="TYPE",
        nargs="+",
        default=[],
        help="which take turns, such as pick_and_place_simple (default: all six)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out ``rllib make-alfworld-games``; returns the exit status.

    Raises:
        ConfigError: Numbers or types make no games, or the folder cannot be written.
        MissingExtraError: ALFWorld is not installed.
    """
    from rllib_gigpo.envs.alfworld.backend import check_installed
    from rllib_gigpo.envs.alfworld.pddl_goals import TASK_TYPES

    unknown = sorted(set(args.task_types) - set(TASK_TYPES))
    if unknown:
        raise ConfigError(
            f"--task-types {' '.join(unknown)}: no such type; there are {', '.join(TASK_TYPES)}"
        )
    if args.num_train < 0 or args.num_valid < 0 or args.num_train + args.num_valid == 0:
        raise ConfigError(
            f"--num-train {args.num_train} and --num-valid {args.num_valid} make no games: give "
            "numbers of at least 0, not both 0"
        )
    try:
        check_installed()
    except ImportError as error:
        raise MissingExtraError(str(error)) from error
    task_types = tuple(dict.fromkeys(args.task_types)) or TASK_TYPES
    try:
        _write(args, task_types)
    except OSError as error:
        raise ConfigError(
            f"--output {args.output} cannot be written ({error.strerror}): name another folder"
        ) from error
    print(args.output)
    return 0


def _write(args: argparse.Namespace, task_types: Sequence[str]) -> None:
    from rllib_gigpo.envs.alfworld.game_files import write_games

    for split in (_TRAIN, *_VALID):
        num_games = args.num_train if split == _TRAIN else args.num_valid
        for count, path in enumerate(write_games(args.output, split, num_games, task_types), 1):
            print(f"{split} {count}/{num_games}  {path.parent.parent.name}", file=sys.stderr)

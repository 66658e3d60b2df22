"""`rllib make-alfworld-games`: generates games in the folder layout of ALFWorld's own data."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rllib_gigpo.errors import ConfigError, MissingExtraError

_TRAIN, _VALID = "train", ("valid_seen", "valid_unseen")


def add_parser(subparsers: Any) -> None:
    """Add the ``make-alfworld-games`` subcommand."""
    parser = subparsers.add_parser(
        "make-alfworld-games",
        help="generate ALFWorld games for training and validation",
        description="Generate household tasks from the files of the package alfworld, solve each "
        "with the planner, and write them in the folder layout of ALFWorld's own data. To play "
        "them, set ALFWORLD_DATA or the environment's data_dir to the output folder. The same "
        "options give the same games. About two games are made per second.",
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
        help="games in each of valid_seen (rooms of the training games) and valid_unseen (other "
        "rooms) (default: 20)",
    )
    parser.add_argument(
        "--task-types",
        metavar="TYPE",
        nargs="+",
        default=[],
        help="task types to cycle through, such as pick_and_place_simple (default: all six)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``rllib make-alfworld-games`` and return the exit status.

    Raises:
        ConfigError: The numbers or types are invalid, or the folder cannot be written.
        MissingExtraError: ALFWorld is not installed.
    """
    from rllib_gigpo.envs.alfworld.backend import check_installed
    from rllib_gigpo.envs.alfworld.pddl_goals import TASK_TYPES

    unknown = sorted(set(args.task_types) - set(TASK_TYPES))
    if unknown:
        raise ConfigError(
            f"--task-types {' '.join(unknown)}: unknown; choose from {', '.join(TASK_TYPES)}"
        )
    if args.num_train < 0 or args.num_valid < 0 or args.num_train + args.num_valid == 0:
        raise ConfigError(
            f"--num-train {args.num_train} and --num-valid {args.num_valid} make no games; "
            "both must be at least 0, and one of them above 0"
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
            f"--output {args.output} cannot be written ({error.strerror}); choose another folder"
        ) from error
    print(args.output)
    return 0


def _write(args: argparse.Namespace, task_types: Sequence[str]) -> None:
    from rllib_gigpo.envs.alfworld.game_files import write_games

    for split in (_TRAIN, *_VALID):
        num_games = args.num_train if split == _TRAIN else args.num_valid
        for count, path in enumerate(write_games(args.output, split, num_games, task_types), 1):
            print(f"{split} {count}/{num_games}  {path.parent.parent.name}", file=sys.stderr)

"""`rllib panel make`: starts tasks on this machine, and writes a panel with their hashes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rllib_gigpo.cli.experiment import json_object, whole_number
from rllib_gigpo.errors import PanelError

if TYPE_CHECKING:
    from rllib_gigpo.panels.panel import Panel

_OF_NEW_PANELS = (
    "name",
    "version",
    "num_tasks",
    "first_task",
    "max_episode_steps",
    "decoding_seeds",
    "temperature",
)


def add_parser(subparsers: Any) -> None:
    """Add the ``make`` action."""
    parser = subparsers.add_parser(
        "make",
        help="make a panel, or add hashes to one",
        description="Start tasks on this machine, and write a panel with the hashes of their "
        "starts: of an environment (--env), or of a PANEL that has no hashes yet.",
    )
    parser.add_argument("panel", metavar="PANEL", nargs="?", help="a shipped name, or a file")
    parser.add_argument("--env", metavar="ID", help="Gymnasium id of the environment")
    parser.add_argument(
        "--env-config",
        metavar="JSON",
        type=json_object,
        default={},
        help="settings of the environment; files are stored as hashes",
    )
    new = parser.add_argument_group("a new panel")
    new.add_argument("--name", help="name of the panel (default: that of the file)")
    new.add_argument("--version", type=whole_number(1), help="version of the panel (1)")
    new.add_argument("--num-tasks", metavar="N", type=whole_number(1), help="(128)")
    new.add_argument("--first-task", metavar="SEED", type=int, help="(the first test seed)")
    new.add_argument("--max-episode-steps", metavar="N", type=whole_number(1), help="(50)")
    new.add_argument(
        "--decoding-seeds", metavar="N", type=whole_number(1), help="plays of each task (1)"
    )
    new.add_argument("--temperature", type=float, help="of the answers (0.4)")
    parser.add_argument("--output", metavar="FILE", type=Path, required=True)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``rllib panel make`` and return the exit status.

    Raises:
        PanelError: The arguments do not go together, or a task cannot be started.
    """
    from rllib_gigpo.panels.maker import with_starts
    from rllib_gigpo.panels.panel import check_is_free, load_panel
    from rllib_gigpo.panels.task_start import split_paths

    if (args.panel is None) == (args.env is None):
        raise PanelError("panel make needs either PANEL or --env ID")
    check_is_free(args.output)
    if args.panel is not None:
        for name in _OF_NEW_PANELS:
            if getattr(args, name) is not None:
                raise PanelError(
                    f"--{name.replace('_', '-')} is for a new panel; make one with --env ID"
                )
        panel = with_starts(load_panel(args.panel), args.env_config)
    else:
        settings, paths = split_paths(args.env_config)
        panel = with_starts(_new_panel(args, settings), paths)
    panel.save(args.output)
    print(f"panel  {panel.label}, tasks: {len(panel.tasks)}\nfile   {args.output}")
    num_alike = len(panel.tasks) - len({task.start for task in panel.tasks})
    if num_alike:
        print(
            f"note   {num_alike} of the tasks start like another one: the intervals of results will"
            " count them as different tasks. Does the seed pick the task?"
        )
    return 0


def _new_panel(args: argparse.Namespace, env_config: dict[str, Any]) -> "Panel":
    from rllib_gigpo.envs.contract import FIRST_TEST_SEED
    from rllib_gigpo.panels.panel import load_panel

    first = FIRST_TEST_SEED if args.first_task is None else args.first_task
    temperature = {} if args.temperature is None else {"temperature": args.temperature}
    return load_panel(
        {
            "name": args.name or args.output.stem,
            "version": args.version or 1,
            "env": args.env,
            "env_config": env_config,
            "max_episode_steps": args.max_episode_steps or 50,
            "decoding": {"seeds": list(range(args.decoding_seeds or 1)), **temperature},
            "tasks": [{"seed": seed} for seed in range(first, first + (args.num_tasks or 128))],
        }
    )

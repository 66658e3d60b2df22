"""`rllib panel`: fixed tasks with hashes, played by any agent, and compared task by task."""

from typing import Any

from rllib_gigpo.cli.panels import compare_results, list_panels, make_panel, run_panel


def add_parser(subparsers: Any) -> None:
    """Add the ``panel`` subcommand."""
    parser = subparsers.add_parser(
        "panel",
        help="evaluate agents on fixed tasks, and compare them",
        description="A panel fixes the tasks, how each starts, and how answers are decoded, so "
        "that results can be compared. docs/panels.md describes it.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for action in (make_panel, run_panel, compare_results, list_panels):
        action.add_parser(actions)

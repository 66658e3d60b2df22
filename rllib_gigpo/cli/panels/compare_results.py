"""`rllib panel compare`: two agents on one panel, paired by task."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rllib_gigpo.panels.comparison import Difference


def add_parser(subparsers: Any) -> None:
    """Add the ``compare`` action."""
    parser = subparsers.add_parser(
        "compare",
        help="compare two agents, task by task",
        description="Compare the results of two agents on one panel: the difference in success, "
        "in the steps of successes, and by tag, with 95%% intervals. Several results of one agent "
        "are its runs, such as training seeds.",
    )
    parser.add_argument("results", metavar="RESULT", type=Path, nargs="+", help="of the agent")
    parser.add_argument(
        "--baseline", metavar="RESULT", type=Path, nargs="+", required=True, help="of the other"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``rllib panel compare`` and return the exit status."""
    from rllib_gigpo.panels.comparison import compare
    from rllib_gigpo.panels.played_task import load_result

    baseline, other = (
        [load_result(file) for file in side] for side in (args.baseline, args.results)
    )
    found = compare(baseline, other)
    print(f"panel     {found.panel}")
    print(f"baseline  {', '.join(one.agent for one in baseline)}")
    print(f"agent     {', '.join(one.agent for one in other)}")
    print(f"success   {points(found.success)}")
    if found.success_over_runs is not None:
        print(f"  by run  {points(found.success_over_runs, unit='runs')}")
    if found.steps is not None:
        print(f"steps     {steps(found.steps)}")
    width = max((len(tag) for tag in found.by_tag), default=0)
    for tag, difference in found.by_tag.items():
        print(f"  {tag:<{width}}  {points(difference)}")
    if found.num_left_out:
        print(f"left out  {found.num_left_out} tasks that one of the two did not play")
    return 0


def points(found: "Difference", unit: str = "tasks") -> str:
    """Describe a difference of rates in points, or say that nothing can be said."""
    return _sentence(found, 100.0, "points", unit)


def steps(found: "Difference") -> str:
    """Describe a difference of lengths in steps, on tasks that both won."""
    return _sentence(found, 1.0, "steps", "tasks that both won")


def _sentence(found: "Difference", factor: float, name: str, unit: str) -> str:
    number = f"{factor * found.mean:+.1f} {name}"
    if found.low is None or found.high is None:
        return f"{number}: nothing can be said, {found.num_pairs} {unit} show no spread"
    interval = f"{number} [{factor * found.low:+.1f}, {factor * found.high:+.1f}]"
    over = f"over {found.num_pairs} {unit}"
    if found.is_shown:
        return f"{interval} {over}"
    enough = (
        f"; a difference of this size needs about {found.num_needed}" if found.num_needed else ""
    )
    return f"{interval} {over}: nothing can be said{enough}"

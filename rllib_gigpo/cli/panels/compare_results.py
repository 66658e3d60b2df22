"""`rllib panel compare`: two agents on one panel, paired by task."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rllib_gigpo.errors import PanelError

if TYPE_CHECKING:
    from rllib_gigpo.panels.comparison import Difference
    from rllib_gigpo.panels.played_task import PanelResult


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
    """Run ``rllib panel compare`` and return the exit status.

    Raises:
        PanelError: The results cannot be compared.
    """
    from rllib_gigpo.panels.comparison import compare
    from rllib_gigpo.panels.played_task import load_result

    for files in (args.baseline, args.results):
        if len(set(files)) < len(files):
            raise PanelError("A result is named twice; name each run once")
    baseline = [load_result(file) for file in args.baseline]
    other = [load_result(file) for file in args.results]
    found = compare(baseline, other)
    print(f"panel     {found.panel}")
    for name, side, files in (
        ("baseline", baseline, args.baseline),
        ("agent", other, args.results),
    ):
        for one, file in zip(side, files, strict=True):
            missing = f", {len(one.unplayed)} unplayed" if one.unplayed else ""
            print(f"{name:<8}  {one.agent} ({file}): {len(one.played)} episodes{missing}")
    for name, values in differing_settings(baseline, other).items():
        print(f"differs   {name}: {values}")
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


def differing_settings(
    baseline: Sequence[PanelResult], other: Sequence[PanelResult]
) -> dict[str, str]:
    """Return the settings that are not the same in all results, with the values of both sides."""
    names = dict.fromkeys(name for one in (*baseline, *other) for name in one.settings)
    differing = {}
    for name in names:
        sides = [{repr(one.settings.get(name)) for one in side} for side in (baseline, other)]
        if len(sides[0] | sides[1]) > 1:
            differing[name] = " / ".join(", ".join(sorted(side)) for side in sides)
    return differing


def points(found: Difference, unit: str = "tasks") -> str:
    """Describe a difference of rates in points, or say that nothing can be said."""
    return _sentence(found, 100.0, "points", unit)


def steps(found: Difference) -> str:
    """Describe a difference of lengths in steps, on tasks that both won."""
    return _sentence(found, 1.0, "steps", "tasks that both won")


def _sentence(found: Difference, factor: float, name: str, unit: str) -> str:
    number = f"{factor * found.mean:+.1f} {name}"
    if found.low is None or found.high is None:
        return f"{number}: nothing can be said, {found.num_pairs} {unit} show no spread"
    interval = f"{number} [{factor * found.low:+.1f}, {factor * found.high:+.1f}]"
    over = f"over {found.num_pairs} {unit}"
    if found.is_shown:
        return f"{interval} {over}"
    needed = found.num_needed
    enough = f"; to show a difference of this size takes about {needed} tasks" if needed else ""
    return f"{interval} {over}: nothing can be said{enough}"

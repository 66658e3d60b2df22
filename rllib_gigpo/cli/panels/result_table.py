"""The result of a panel as lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rllib_gigpo.cli.training.progress_display import decimal, percent

if TYPE_CHECKING:
    from rllib_gigpo.panels.played_task import PanelResult


def table(result: PanelResult) -> list[str]:
    """Format a result: lines for all tasks, then one per tag."""
    numbers = result.summary
    lines = [
        f"panel    {result.panel_label}",
        f"agent    {result.agent}",
        f"success  {_share(numbers, 'success_rate', 'success_ci')}"
        f"  over {numbers['num_tasks']} tasks",
    ]
    if "num_decoding_seeds" in numbers:
        seeds = numbers["num_decoding_seeds"]
        lines += [
            f"avg@{seeds:<4} {_share(numbers, f'avg_at_{seeds}', 'success_over_seeds')}"
            "  over decoding seeds",
            f"pass@{seeds:<3} {_share(numbers, f'pass_at_{seeds}', f'pass_at_{seeds}')}",
        ]
    lines.append(f"valid    {percent(numbers['format_valid_rate'])} of the answers")
    if numbers["prompt_cut_rate"]:
        lines.append(f"cut      {percent(numbers['prompt_cut_rate'])} of the prompts: too long")
    if "steps_of_successes" in numbers:
        lines.append(f"steps    {decimal(numbers['steps_of_successes'], 1)} of successes")
    tags = numbers["tags"]
    width = max((len(tag) for tag in tags), default=0)
    lines += [
        f"  {tag:<{width}}  {_share(one, 'success_rate', 'success_ci')}  {one['num_tasks']} tasks"
        for tag, one in tags.items()
    ]
    if result.unplayed:
        first = result.unplayed[0]
        lines.append(
            f"missing  {len(result.unplayed)} episodes could not be played; task {first.task}:"
            f" {first.reason}"
        )
    return lines


def _share(numbers: Mapping[str, Any], name: str, interval: str) -> str:
    low, high = (numbers.get(f"{interval}_{side}") for side in ("low", "high"))
    bounds = "" if low is None else f"  95% CI [{percent(low)}, {percent(high)}]"
    return f"{percent(numbers[name])}{bounds}"

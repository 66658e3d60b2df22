"""Rows of the page on which one searches the recorded steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rllib_gigpo.viewer.recorded_steps import RecordedGroup


def search_rows(groups: Iterable[RecordedGroup]) -> list[dict[str, Any]]:
    """Return what is shown and searched of each step: outcome, flags, tags and texts."""
    return [
        {
            "group": group.group_id,
            "task": group.task,
            "member": episode.member,
            "step": step["step"],
            "outcome": episode.outcome,
            "tags": episode.tags,
            "is_invalid": not (step["is_format_valid"] and step["is_admissible"]),
            "is_cut": step["finish_reason"] == "length",
            "action": step["action"],
            "reward": step["rewards"],
            "advantage": step["advantages"],
            "state": step["anchor"],
            "response": step["response"],
        }
        for group in groups
        for episode, step in group.steps()
    ]

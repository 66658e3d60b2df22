"""A group as lanes: one for each episode, with a cell for each step, coloured by its anchor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rllib_gigpo.viewer.recorded_steps import RecordedEpisode, RecordedGroup

_GOLDEN_ANGLE = 137.50776405003785  # degrees; neighbours in number are far apart in hue
_FIRST_HUE = 40  # not the red of what is bad, nor the blue of what is good


def anchor_of(step: Mapping[str, Any]) -> Any:
    """Return what is equal for the steps of an anchor group, also where similar states match."""
    return step.get("anchor_group", step["anchor"])


def group_lanes(group: RecordedGroup) -> dict[str, Any]:
    """Return a group as plain data for its page.

    Returns:
        ``anchors``, each with ``text``, ``count`` and ``hue`` (None if no other step has it); and
        ``episodes``, each with ``member``, ``fork``, ``outcome``, ``reward``, ``tags`` and
        ``steps``.
    """
    counts = Counter(anchor_of(step) for _, step in group.steps())
    texts = {anchor_of(step): step["anchor"] for one in group.episodes for step in one.steps}
    counts.update(dict.fromkeys(texts, 0))  # a repeated step has an anchor, and counts for nothing
    numbers = {anchor: index for index, anchor in enumerate(counts)}
    shared = [anchor for anchor, count in counts.items() if count > 1]
    hues = {
        anchor: round((_FIRST_HUE + index * _GOLDEN_ANGLE) % 360)
        for index, anchor in enumerate(shared)
    }
    return {
        "iteration": group.iteration,
        "group": group.group_id,
        "task": group.task,
        "anchors": [
            {"text": texts[anchor], "count": count, "hue": hues.get(anchor)}
            for anchor, count in counts.items()
        ],
        "episodes": [_episode(episode, numbers) for episode in group.episodes],
    }


def _episode(episode: RecordedEpisode, numbers: Mapping[Any, int]) -> dict[str, Any]:
    return {
        "member": episode.member,
        "fork": episode.fork,
        "outcome": episode.outcome,
        "reward": episode.total_reward,
        "tags": episode.tags,
        "steps": [_step(step, numbers[anchor_of(step)]) for step in episode.steps],
    }


def _step(step: Mapping[str, Any], anchor: int) -> dict[str, Any]:
    tokens = step.get("response_tokens") or [f"<{number}>" for number in step["response_token_ids"]]
    return {
        "step": step["step"],
        "role": step.get("role", ""),
        "is_replayed": step.get("is_replayed", False),
        "anchor": anchor,
        "action": step["action"],
        "reward": step["rewards"],
        "penalty": step["penalties"],
        "return": step["step_returns"],
        "episode_advantage": step["episode_advantages"],
        "step_advantage": step["step_advantages"],
        "advantage": step["advantages"],
        "is_valid": step["is_format_valid"],
        "is_admissible": step["is_admissible"],
        "is_cut": step["finish_reason"] == "length",
        "is_prompt_cut": step["prompt_cut"],
        "prompt": step["prompt"],
        "response": step["response"],
        "tokens": tokens,
        "logp": step["rollout_logp"],
        "version": step["weight_version"],
        "image": step.get("image"),
        "images": step.get("images"),
    }

"""Metrics of a batch of episodes: rates, lengths, lost groups by kind, and success by tag."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from rllib_gigpo.batch.own_rows import is_fork
from rllib_gigpo.batch.role_turns import (
    RoleTurns,
    has_roles,
    is_paid_as_a_team,
    turns_by_role,
)
from rllib_gigpo.batch.sample_result import LostGroup, RolloutStats, SampleResult
from rllib_gigpo.batch.step_record import StepRecord, step_records
from rllib_gigpo.envs.contract import TOOL_ERROR, TOOL_RESULTS

_Z_95 = 1.959963984540054  # 97.5 % quantile of the normal distribution


def rollout_metrics(result: SampleResult) -> dict[str, Any]:
    """Compute the metrics of a sampling phase; rates weight all episodes, or all steps, equally.

    Metrics cover all episodes played, before dynamic sampling filters some. Those that begin with
    ``batch_`` cover only the episodes in the batch. Success, returns and lengths leave out forks,
    and rates of steps leave out the steps that forks repeated.

    Args:
        result: The sampled groups.

    Returns:
        A nested dict with the names that `rllib_gigpo.reports.results` reads.
    """
    batch = result.episodes
    episodes = batch + [episode for group in result.filtered for episode in group.episodes]
    records = [record for record in step_records(episodes) if not record.is_replayed]
    # The others begin where a plan chose, so their success is that of the places it chose.
    from_reset, in_batch = _from_reset(episodes), _from_reset(batch)
    lengths = [len(episode) for episode in from_reset]
    return {
        "num_episodes": len(episodes),
        "num_env_steps": sum(map(len, episodes)),
        "success_rate": _mean([has_won(episode) for episode in from_reset]),
        **_spread("episode_return", [episode.get_return() for episode in from_reset]),
        **_spread("episode_len", lengths),
        "format_valid_rate": _mean(record.is_format_valid for record in records),
        "admissible_rate": _mean(record.is_admissible for record in records),
        "prompt_cut_rate": _mean(record.is_prompt_cut for record in records),
        "prompt_continued_rate": _mean(_is_continued(record) for record in records),
        "context_reset_rate": _mean(_context_resets(episodes)),
        "response_cut_rate": _mean(record.is_response_cut for record in records),
        "truncated_rate": _mean([episode.is_truncated for episode in from_reset]),
        **(_costs(result.stats) if result.stats.num_steps else {}),
        "batch_success_rate": _mean([has_won(episode) for episode in in_batch]),
        **_spread("batch_episode_return", [episode.get_return() for episode in in_batch]),
        "num_groups_filtered": len(result.filtered),
        "filtered_share": len(result.filtered) / max(1, len(result.filtered) + len(result.groups)),
        "num_groups_lost": len(result.lost),
        "num_episodes_lost": sum(group.task.group_size for group in result.lost),
        "num_groups_moved": len(result.moved),
        "groups_lost": dict(_count_kinds(result.lost)),
        "tags": tag_metrics(from_reset),
        **role_metrics(from_reset),
        **fork_metrics(episodes),
        **tool_metrics(episodes),
    }


def _from_reset(episodes: Sequence[Any]) -> list[Any]:
    return [episode for episode in episodes if not is_fork(episode)]


def fork_metrics(episodes: Sequence[Any]) -> dict[str, dict[str, float]]:
    """Count what forks repeated and saved, under "forks"; nothing without forks."""
    forks = list(filter(is_fork, episodes))
    if not forks:
        return {}
    repeated = [record for record in step_records(forks) if record.is_replayed]
    num_steps = sum(map(len, episodes))
    return {
        "forks": {
            "num_forks": len(forks),
            "success_rate": _mean(has_won(episode) for episode in forks),
            "num_replayed_steps": len(repeated),
            "replayed_step_share": len(repeated) / num_steps,
            "num_saved_prompt_tokens": sum(len(one.prompt_token_ids) for one in repeated),
            "num_saved_response_tokens": sum(len(one.response_token_ids) for one in repeated),
        }
    }


def tool_metrics(episodes: Sequence[Any]) -> dict[str, float]:
    """Return the share of tool calls that failed; nothing without a call."""
    results = [
        one
        for episode in episodes
        for info in episode.get_infos()
        for one in info.get(TOOL_RESULTS, ())
    ]
    if not results:
        return {}
    return {"tool_error_rate": _mean(one["content"].startswith(TOOL_ERROR) for one in results)}


def _costs(stats: RolloutStats) -> dict[str, float]:
    """Return what tokens and time the steps took."""
    return {
        "prompt_tokens_mean": stats.num_prompt_tokens / stats.num_steps,
        "prompt_cached_share": stats.num_cached_tokens / max(1, stats.num_prompt_tokens),
        "response_tokens_mean": stats.num_response_tokens / stats.num_steps,
        "tokens_per_s": stats.num_response_tokens / stats.seconds if stats.seconds else 0.0,
        **_refusals(stats),
        "engine_s": stats.engine_s,
        "env_s": stats.env_s,
        "runners_idle_s": stats.idle_s,
    }


def _refusals(stats: RolloutStats) -> dict[str, float]:
    """Return the share of calls of agent programs that were refused; nothing if none was."""
    num_refused = stats.num_refused_calls
    return (
        {"refused_call_rate": num_refused / (stats.num_steps + num_refused)} if num_refused else {}
    )


def has_won(episode: Any) -> bool:
    """Return whether an episode succeeded.

    If the environment's last info has ``won``, that decides; otherwise an episode succeeds if it
    terminates with a positive return.
    """
    last_info = episode.get_infos(-1)
    if "won" in last_info:
        return bool(last_info["won"])
    return bool(episode.is_terminated and episode.get_return() > 0)


def tag_metrics(episodes: Sequence[Any]) -> dict[str, dict[str, float]]:
    """Compute success and return per tag of ``info["tags"]``; an episode counts for each tag."""
    by_tag: dict[str, list[Any]] = defaultdict(list)
    for episode in episodes:
        for tag in episode.get_infos(0).get("tags", ()):
            by_tag[str(tag)].append(episode)
    return {tag: _of_one_tag(tagged) for tag, tagged in sorted(by_tag.items())}


def role_metrics(episodes: Sequence[Any]) -> dict[str, dict[str, dict[str, float]]]:
    """Compute the returns, turns and success of each role, under "roles"; nothing without roles.

    An episode counts for the roles that acted in it. Success is that of the episode, so it is left
    out for all roles if ``info["role_rewards"]`` pays them differently.
    """
    by_role = defaultdict[str, list[tuple[Any, RoleTurns]]](list)
    is_team = True
    for episode in filter(has_roles, episodes):
        is_team = is_team and is_paid_as_a_team(episode)
        for part in turns_by_role(episode):
            by_role[part.role].append((episode, part))
    roles = {role: _of_one_role(played, is_team) for role, played in sorted(by_role.items())}
    return {"roles": roles} if roles else {}


def _of_one_role(played: Sequence[tuple[Any, RoleTurns]], is_team: bool) -> dict[str, float]:
    success = {"success_rate": _mean(has_won(episode) for episode, _ in played)}
    return {
        **(success if is_team else {}),
        "episode_return_mean": _mean(part.total for _, part in played),
        "num_turns_mean": _mean(len(part.turns) for _, part in played),
        "num_episodes": len(played),
    }


def _of_one_tag(episodes: Sequence[Any]) -> dict[str, float]:
    won = [has_won(episode) for episode in episodes]
    return {
        "success_rate": _mean(won),
        "episode_return_mean": _mean(episode.get_return() for episode in episodes),
        "num_episodes": len(won),
        **_interval(won),
    }


def wilson_interval(num_won: float, num_episodes: float) -> tuple[float, float]:
    """Return the 95 % confidence interval of a success probability (Wilson's score interval).

    Unlike the normal approximation, it stays inside [0, 1] and is reliable near 0 and 1.
    Without episodes it is (0, 1). Effective numbers of episodes need not be whole.
    """
    if num_episodes == 0:
        return 0.0, 1.0
    rate, z2 = num_won / num_episodes, _Z_95**2
    centre = rate + z2 / (2 * num_episodes)
    half = _Z_95 * math.sqrt(
        rate * (1 - rate) / num_episodes + z2 / (4 * num_episodes * num_episodes)
    )
    scale = 1 + z2 / num_episodes
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def _interval(won: Sequence[bool]) -> dict[str, float]:
    low, high = wilson_interval(sum(won), len(won))
    return {"success_ci_low": low, "success_ci_high": high}


def _is_continued(record: StepRecord) -> bool:
    """Return whether a prompt is the one before it, its answer and a new message."""
    return 0 < record.num_message_tokens < len(record.prompt_token_ids)


def _context_resets(episodes: Sequence[Any]) -> Iterator[bool]:
    """Say for each step whether a conversation dropped turns and began a new prefix."""
    for episode in episodes:
        num_dropped: dict[str, int] = defaultdict(int)  # each role has its own conversation
        for record in step_records([episode]):
            is_conversation = record.num_message_tokens > 0
            if not record.is_replayed:
                yield is_conversation and record.num_dropped_turns > num_dropped[record.role]
            num_dropped[record.role] = record.num_dropped_turns


def _mean(values: Iterable[Any]) -> float:
    listed = list(values)
    return float(np.mean(listed)) if listed else 0.0


def _spread(name: str, values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    return {
        f"{name}_mean": float(np.mean(values)),
        f"{name}_min": float(np.min(values)),
        f"{name}_max": float(np.max(values)),
    }


def _count_kinds(lost: Sequence[LostGroup]) -> Counter[str]:
    return Counter(group.kind for group in lost)

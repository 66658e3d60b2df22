"""The individual checks of ``check_env``; each returns problems in words."""

from __future__ import annotations

import math
import pickle
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from ..contract import (
    ADMISSIBLE_ACTIONS,
    COMMON_ALIASES,
    INFO_TYPES,
    KEYS_OF_ROLES,
    ROLE,
    ROLE_REWARDS,
    TAGS,
    ContractViolationError,
)
from ..info_fence import read_key, shown
from ..response_fence import check_sendable, read_flag, read_reward
from .env_probe import Episode, Turn


def check_spaces(env: gymnasium.Env) -> list[str]:
    """Check that both spaces exist, and that actions are text or numbers that text can name."""
    problems = []
    if not isinstance(getattr(env, "observation_space", None), spaces.Space):
        problems.append(
            "observation_space is missing. Set self.observation_space = spaces.Text(10_000)."
        )
    action_space = getattr(env, "action_space", None)
    if not isinstance(action_space, spaces.Text | spaces.Discrete):
        problems.append(
            f"action_space is {action_space}, but an LLM needs spaces.Text, or spaces.Discrete "
            "with actions named by info['admissible_actions']. Wrap the environment to map text."
        )
    return problems


def check_picklable(what: str, value: Any) -> list[str]:
    """Check that a configuration can be sent to other processes, as all configurations are."""
    try:
        pickle.dumps(value)
    except Exception as error:  # the value's own code may raise anything
        return [
            f"{what} cannot be pickled ({type(error).__name__}: {error}), so it cannot reach the "
            "processes that build environments. Pass plain values, and build objects in __init__."
        ]
    return []


def check_turns(episodes: Sequence[Episode]) -> list[str]:
    """Check the types of everything that the environment returned; list each problem once."""
    found = [problem for e in episodes for turn in e.turns for problem in _turn_problems(turn)]
    return list(dict.fromkeys(found))


def _turn_problems(turn: Turn) -> Iterator[str]:
    call = "reset()" if turn.action is None else "step()"
    if not isinstance(turn.text, str):
        yield (
            f"the observation of {call} is {_described(turn.text)}, not text. Return a str, or an "
            "image (uint8, height x width x 3) for a model that reads images, or set "
            "config.prompting(observation_to_text=...) and pass the same to check_env."
        )
    yield from _complaints(read_reward, turn.reward)
    yield from _complaints(read_flag, "terminated", turn.terminated)
    yield from _complaints(read_flag, "truncated", turn.truncated)
    for key in [key for key in INFO_TYPES if key in turn.info]:
        yield from _complaints(read_key, key, turn.info[key])
    yield from _complaints(check_sendable, turn.text, turn.info)
    for key in (ADMISSIBLE_ACTIONS, TAGS):
        yield from _list_problems(key, turn.info.get(key))


def _complaints(read: Callable[..., Any], *arguments: Any) -> Iterator[str]:
    """Yield what the fence, which training uses too, says about a part of the response."""
    try:
        read(*arguments)
    except ContractViolationError as violation:
        yield str(violation)


def _list_problems(key: str, values: Any) -> Iterator[str]:
    """Yield what is allowed in training, but shows a mistake in the environment."""
    if not isinstance(values, list | tuple) or not all(isinstance(one, str) for one in values):
        return
    empty = [value for value in values if not value.strip()]
    if empty:
        yield f"info[{key!r}] contains {empty[0]!r}. It must be a list of non-empty strings."
    elif len(set(values)) < len(values):
        twice = Counter(values).most_common(1)[0][0]
        yield f"info[{key!r}] lists {twice!r} twice. Remove duplicates, as with sorted(set(...))."


def check_roles(episodes: Sequence[Episode]) -> list[str]:
    """Check that every response, or none, says which agent acts next; the last one need not."""
    turns = [turn for episode in episodes for turn in episode.turns]
    roles = {str(turn.info[ROLE]) for turn in turns if ROLE in turn.info}
    silent = [turn for turn in turns if ROLE not in turn.info and not turn.is_last]
    if roles and silent:
        call = "reset()" if silent[0].action is None else "step()"
        return [
            f"info['role'] is missing in a response of {call}, but not in others. Name the agent"
            " that acts next in every info, or in none."
        ]
    return []


def compare_episodes(original: Episode, replay: Episode, *, where: str, seed: int) -> list[str]:
    """Report the first difference between two episodes of the same seed and actions."""
    for number, (first, second) in enumerate(zip(original.turns, replay.turns, strict=False)):
        for name, before, after in _comparable(first, second):
            if _differ(before, after):
                return [
                    f"the same seed ({seed}) and actions give a different {name} in {where} at "
                    f"step {number}: {shown(before)} and {shown(after)}. All episodes of a group "
                    "must have the same task: draw everything from self.np_random after "
                    "super().reset(seed=seed), and sort what comes from sets."
                ]
    if len(original.turns) != len(replay.turns):
        return [
            f"the same seed ({seed}) and actions give an episode of a different length in {where}."
        ]
    return []


def _comparable(first: Turn, second: Turn) -> Iterator[tuple[str, Any, Any]]:
    yield "observation", _comparable_text(first), _comparable_text(second)
    yield "reward", shown(first.reward), shown(second.reward)
    yield "end", (first.terminated, first.truncated), (second.terminated, second.truncated)
    yield "info[anchor]", first.anchor, second.anchor
    for key in (ADMISSIBLE_ACTIONS, "task", "won", *KEYS_OF_ROLES):
        yield f"info[{key}]", first.info.get(key), second.info.get(key)


def _comparable_text(turn: Turn) -> str:
    return turn.text if isinstance(turn.text, str) else shown(turn.text)


def _differ(first: Any, second: Any) -> bool:
    """Compare two values, which may be arrays or have any ``__eq__``."""
    try:
        return bool(first != second)
    except Exception:
        return shown(first) != shown(second)


def remarks(groups: Mapping[int, Sequence[Episode]]) -> list[str]:
    """List what is allowed but slows learning or weakens the metrics."""
    episodes = [episode for group in groups.values() for episode in group]
    turns = [turn for episode in episodes for turn in episode.turns]
    notes = []
    if not any(episode.has_ended for episode in episodes):
        notes.append(
            f"no episode ended within {len(episodes[0].actions)} random steps; give the "
            "environment a limit (gymnasium.make(..., max_episode_steps=...))."
        )
    if recurring_anchors(groups) < 0.05:
        notes.append(
            "hardly any anchor recurs, so GiGPO has no steps to compare and acts like GRPO; set "
            "info['anchor'] without step counters, or set config.training(anchor='similar')."
        )
    if all(map(_has_one_anchor_for_all, groups.values())):
        notes.append(
            "the anchor never changes, although observations do, so GiGPO would compare all steps"
            " of a task with each other; let info['anchor'] identify the state, or leave it out."
        )
    if (
        len(groups) > 1
        and len({_comparable_text(group[0].turns[0]) for group in groups.values()}) == 1
    ):
        notes.append("seeds 0 and 1 start with the same observation; does the seed pick the task?")
    notes += _strangers_paid(turns)
    missing = set(INFO_TYPES) - {key for turn in turns for key in turn.info}
    used = {key for turn in turns for key in turn.info} & set(COMMON_ALIASES)
    notes += [
        f"info has {alias!r}, which is ignored; rename it to {COMMON_ALIASES[alias]!r}."
        for alias in sorted(used)
        if COMMON_ALIASES[alias] in missing
    ]
    return notes


def _strangers_paid(turns: Sequence[Turn]) -> list[str]:
    """Note who is paid by name, but never acted: the name may be wrong, and the reward is lost."""
    roles = {str(turn.info[ROLE]) for turn in turns if ROLE in turn.info}
    given = [turn.info.get(ROLE_REWARDS) for turn in turns]
    paid = {str(role) for rewards in given if isinstance(rewards, Mapping) for role in rewards}
    return [
        f"info['role_rewards'] pays {role!r}, who never acted, so the reward is lost; the roles of"
        f" info['role'] are {', '.join(map(repr, sorted(roles))) or 'none'}."
        for role in sorted(paid - roles)
    ]


def _has_one_anchor_for_all(group: Sequence[Episode]) -> bool:
    """Return whether all states of a task share one anchor although they look different."""
    turns = [turn for episode in group for turn in episode.turns]
    num_texts = len({_comparable_text(turn) for turn in turns})
    return num_texts > 1 and len({turn.anchor for turn in turns}) == 1


def recurring_anchors(groups: Mapping[int, Sequence[Episode]]) -> float:
    """Return the share of steps whose anchor recurs within their group; NaN without steps."""
    num_recurring = num_steps = 0
    for group in groups.values():
        # An action is taken in every turn but the last.
        counts = Counter(_state(turn) for episode in group for turn in episode.turns[:-1])
        num_steps += counts.total()
        num_recurring += sum(count for count in counts.values() if count > 1)
    return num_recurring / num_steps if num_steps else math.nan


def _state(turn: Turn) -> tuple[str, Hashable]:
    """Return what GiGPO compares: the anchor, seen by the role that acts."""
    return str(turn.info.get(ROLE)), turn.anchor


def _described(observation: Any) -> str:
    """Return an observation's type; of an array, which may be meant as an image, its shape too."""
    kind = type(observation).__name__
    if not isinstance(observation, np.ndarray):
        return kind
    return f"{kind} of {observation.dtype} and shape {observation.shape}"

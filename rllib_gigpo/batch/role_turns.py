"""Several agents ("roles") in one episode: each role has its own trajectory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rllib_gigpo import columns
from rllib_gigpo.envs.contract import ROLE, ROLE_REWARDS


@dataclass(frozen=True, slots=True, eq=False)
class RoleTurns:
    """The K turns of one role in an episode, as RLlib's multi-agent episodes see turn-based games.

    Attributes:
        role: Its name; empty in an episode without roles, whose steps are all turns of one agent.
        turns: (K,) int64, ascending: its turns among the steps of the episode.
        rewards: (K,) float64: what it was paid from each turn on, up to its next one.
        total: The exact sum of its rewards, from its first turn to the end of the episode.
    """

    role: str
    turns: np.ndarray
    rewards: np.ndarray
    total: float


def has_roles(episode: Any) -> bool:
    """Return whether an episode names the role that acts, as it does from the reset on or never."""
    return ROLE in episode.get_infos(0)


def forgets_role(episode: Any, info: Mapping[str, Any]) -> bool:
    """Return whether the info of a step that is not the last lacks the role that acts next."""
    return has_roles(episode) and ROLE not in info


def is_paid_as_a_team(episode: Any) -> bool:
    """Return whether all roles get the environment's reward, so that they win or lose together."""
    return not any(ROLE_REWARDS in info for info in episode.get_infos())


def acting_roles(episode: Any) -> list[str]:
    """Return who acted in each of the episode's T steps; empty names without roles."""
    if not has_roles(episode):
        return [""] * len(episode)
    return [info.get(ROLE, "") for info in episode.get_infos()[: len(episode)]]


def own_turns(episode: Any) -> Sequence[int]:
    """Return the finished steps that were turns of the role that acts next; all without roles."""
    if not has_roles(episode):
        return range(len(episode))
    role = episode.get_infos(-1).get(ROLE, "")
    return [step for step, acting in enumerate(acting_roles(episode)) if acting == role]


def sub_goal_before(episode: Any, step: int = -1) -> str:
    """Return the sub-goal that the role which acts pursued before one of its steps.

    Args:
        episode: The episode.
        step: Index of the step; -1 for the one that waits for an answer.

    Returns:
        The sub-goal; empty before the first step, and in runs without sub-goals.
    """
    turns = own_turns(episode)
    before = turns if step == -1 else turns[: turns.index(step)]
    if not before:
        return ""
    records: Sequence[Any] = episode.get_extra_model_outputs(columns.STEP_RECORD)
    found = records[before[-1]].sub_goal
    return "" if found is None else found.sub_goal


def turns_by_role(episode: Any) -> list[RoleTurns]:
    """Split an episode into the turns of its roles, in the order of their first turns.

    A step pays every role its reward, or what ``info["role_rewards"]`` names for a role. What is
    paid before a role's first turn is lost to this role: none of its actions led to it.
    """
    paid = np.asarray(episode.get_rewards(), dtype=np.float64)
    if not has_roles(episode):
        return [RoleTurns("", np.arange(len(paid)), paid, math.fsum(paid))]
    roles = acting_roles(episode)
    given = [info.get(ROLE_REWARDS, {}) for info in episode.get_infos()[1:]]
    return [_turns_of(role, roles, paid, given) for role in dict.fromkeys(roles)]


def _turns_of(
    role: str, roles: Sequence[str], paid: np.ndarray, given: Iterable[dict[str, float]]
) -> RoleTurns:
    turns = np.array([step for step, acting in enumerate(roles) if acting == role])
    own = np.array([one.get(role, reward) for one, reward in zip(given, paid, strict=True)])
    return RoleTurns(role, turns, np.add.reduceat(own, turns), math.fsum(own[turns[0] :]))

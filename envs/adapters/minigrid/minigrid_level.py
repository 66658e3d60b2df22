"""A level of MiniGrid: opened by name, and read."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import gymnasium

from ...common.backends import import_backend
from .grid_view import describe_view


def open_level(name: str, options: Mapping[str, Any]) -> gymnasium.Env[Any, Any]:
    """Make a level.

    Raises:
        ValueError: There is no environment of that name, or it is no level of MiniGrid.
    """
    levels = import_backend("minigrid.minigrid_env", extra="minigrid")
    try:
        env = gymnasium.make(name, **options)
    except (gymnasium.error.Error, ModuleNotFoundError) as error:
        raise ValueError(
            f"There is no MiniGrid level {name!r} ({error}): mend name in env_config."
        ) from error
    if not isinstance(env.unwrapped, levels.MiniGridEnv):
        env.close()
        raise ValueError(
            f"{name!r} is no level of MiniGrid: give name one such as 'BabyAI-GoToObj-v0', or give "
            "the id itself to config.environment."
        )
    return env


def is_late(env: gymnasium.Env[Any, Any]) -> bool:
    """Whether the level's steps, or those that ``max_episode_steps`` gave it, are used up."""
    level: Any = env.unwrapped
    limits = [level.max_steps, env.spec.max_episode_steps if env.spec else None]
    return level.step_count >= min(limit for limit in limits if limit is not None)


def state_of(level: Any) -> Hashable:
    """Return the whole of a level, seen and unseen, without its counter of steps."""
    carried = level.carrying and (level.carrying.color, level.carrying.type)
    place = (*map(int, level.agent_pos), int(level.agent_dir))
    return (level.grid.encode().tobytes(), *place, carried)


def view_of(level: Any, seen: Mapping[str, Any]) -> str:
    """Describe what the agent sees and carries."""
    names = import_backend("minigrid.core.constants", extra="minigrid")
    carried = level.carrying
    load = f" You carry a {carried.color} {carried.type}." if carried else ""
    return describe_view(seen["image"], names.IDX_TO_OBJECT, names.IDX_TO_COLOR) + load

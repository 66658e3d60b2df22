"""A level of MiniGrid: opening it by name and reading its state."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import gymnasium

from ...common.optional_backends import import_backend
from .grid_view import describe_view


def open_level(name: str, options: Mapping[str, Any]) -> gymnasium.Env[Any, Any]:
    """Make a level.

    Raises:
        ValueError: There is no environment of that name, or it is not a level of MiniGrid.
    """
    levels = import_backend("minigrid.minigrid_env", extra="minigrid")
    try:
        env = gymnasium.make(name, **options)
    except (gymnasium.error.Error, ModuleNotFoundError) as error:
        raise ValueError(
            f"There is no MiniGrid level {name!r} ({error}). Fix name in env_config."
        ) from error
    if not isinstance(env.unwrapped, levels.MiniGridEnv):
        env.close()
        raise ValueError(
            f"{name!r} is not a level of MiniGrid. Set name to a level, such as "
            "'BabyAI-GoToObj-v0', or pass the id itself to config.environment."
        )
    return env


def is_late(env: gymnasium.Env[Any, Any]) -> bool:
    """Return whether the level's own step limit or ``max_episode_steps`` is reached."""
    level: Any = env.unwrapped
    limits = [level.max_steps, env.spec.max_episode_steps if env.spec else None]
    return level.step_count >= min(limit for limit in limits if limit is not None)


def state_of(level: Any) -> Hashable:
    """Return the whole state of a level, seen and unseen, without its step counter."""
    carried = level.carrying and (level.carrying.color, level.carrying.type)
    place = (*map(int, level.agent_pos), int(level.agent_dir))
    return (level.grid.encode().tobytes(), *place, carried)


def view_of(level: Any, seen: Mapping[str, Any]) -> str:
    """Describe what the agent sees and carries."""
    names = import_backend("minigrid.core.constants", extra="minigrid")
    carried = level.carrying
    load = f" You carry a {carried.color} {carried.type}." if carried else ""
    return describe_view(seen["image"], names.IDX_TO_OBJECT, names.IDX_TO_COLOR) + load

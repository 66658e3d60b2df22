"""The tasks of a verifiers taskset, if one turn without help can solve them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from ...common.optional_backends import import_backend

_LEAST = 5  # so that training and tests both have some


def plain_tasks(name: str, num_tasks: int, config: Mapping[str, Any]) -> list[Any]:
    """Load a taskset's tasks, at most ``num_tasks``.

    Raises:
        ValueError: There are too few, or they need more than an answer.
        ImportError: The taskset, or verifiers, is not installed.
    """
    vf = import_backend("verifiers.v1", extra="verifiers")
    loaders = import_backend("verifiers.v1.utils.loaders", extra="verifiers")
    options = loaders.taskset_config_type(name)(id=name, **config)
    taskset = loaders.load_taskset(options)
    tasks = list(islice(taskset, num_tasks))
    kind = type(taskset).task_type()
    needs = {
        "an environment of its own": loaders.environment_class(name) is not vf.SingleAgentEnv,
        "tools": _changes(type(taskset), vf.Taskset) or _changes(kind, vf.Task),
        "a container": kind.NEEDS_CONTAINER,
        "a judge": bool(options.task.judges),
    }
    needed = [what for what, is_needed in needs.items() if is_needed]
    if needed or len(tasks) < _LEAST:
        raise ValueError(
            f"The taskset {name!r} cannot be played: "
            + (f"it needs {', '.join(needed)}" if needed else f"it has {len(tasks)} tasks of 5")
            + ". Use one that an answer alone solves, or raise num_tasks. Fix it in env_config."
        )
    return tasks


def _changes(own: Any, base: Any) -> bool:
    """Return whether a class declares tool servers, which its base does not."""
    return own.toolsets.__func__ is not base.toolsets.__func__

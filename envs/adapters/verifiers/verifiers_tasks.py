"""The tasks of a verifiers taskset, if one turn without help can solve them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from itertools import islice
from typing import Any

from ...common.optional_backends import import_backend

_HOOKS = ("setup", "finalize", "stage_verifier")  # which a harness calls with its runtime
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
    kinds = {type(taskset).task_type(), *map(type, tasks)}
    needs = {
        "its own environment": loaders.environment_class(name) is not vf.SingleAgentEnv,
        "tools": any(_has_own("toolsets", kind, vf.Task) for kind in kinds)
        or _has_own("toolsets", type(taskset), vf.Taskset),
        "a container": any(kind.NEEDS_CONTAINER for kind in kinds),
        "an image": any(task.data.image for task in tasks),
        "a judge": bool(options.task.judges) or any(task.config.judges for task in tasks),
        **{
            f"its own {hook}": any(_has_own(hook, kind, vf.Task) for kind in kinds)
            for hook in _HOOKS
        },
        "a runtime for its scores": any(map(_needs_runtime, tasks)),
        "a score after the episode": any(task.scoring_deferred for task in tasks),
        "a user who begins (a prompt is empty)": any(
            not task.data.prompt_text.strip() for task in tasks
        ),
    }
    needed = [what for what, is_needed in needs.items() if is_needed]
    if needed or len(tasks) < _LEAST:
        raise ValueError(
            f"The taskset {name!r} cannot be played: "
            + (f"it needs {', '.join(needed)}" if needed else f"it has {len(tasks)} tasks of 5")
            + ". Use one that an answer alone solves, or raise num_tasks. Fix it in env_config."
        )
    return tasks


def _has_own(name: str, own: Any, base: Any) -> bool:
    """Return whether a class replaces a method of its base, which does nothing there."""
    method, theirs = getattr(own, name), getattr(base, name)
    return getattr(method, "__func__", method) is not getattr(theirs, "__func__", theirs)


def _needs_runtime(task: Any) -> bool:
    """Return whether scoring without a runtime would leave out a reward or a metric."""
    for function in (*task.hooks("metric"), *task.hooks("reward")):
        runtime = inspect.signature(function).parameters.get("runtime")
        if runtime is not None and runtime.default is inspect.Parameter.empty:
            return True
    return False

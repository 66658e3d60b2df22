"""Checks of RLlib's own settings: those without effect here, callbacks, and those of evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ray.rllib.utils import force_list

from rllib_gigpo.config import rllib_table as table
from rllib_gigpo.env_runner.runner_callbacks import is_listened_to, overrides
from rllib_gigpo.options.registry import did_you_mean

_MAX_CHARACTERS = 200

# The settings that evaluation may change; it shares EnvRunners and engines with training.
_EVALUATION = (
    *("eval_sampling", "num_test_tasks", "first_test_task", "env", "env_config"),
    *("callbacks_class", "callbacks_on_environment_created", "callbacks_on_episode_created"),
    *("callbacks_on_episode_start", "callbacks_on_episode_step", "callbacks_on_episode_end"),
    "callbacks_on_sample_end",
)


def rllib_mistakes(config: Any, default: Any) -> Iterator[str]:
    """Yield settings that do not exist or have no effect; ``default`` is an unchanged config."""
    # Tune silently sets unknown keys of a search space as attributes; RLlib leaves "class" on a
    # config that went through a dict or a checkpoint.
    known = {*vars(default), "class"}
    for name in vars(config).keys() - known:
        if not name.startswith("_"):
            yield f"{name!r} is not a setting of GiGPOConfig{did_you_mean(name, known, most=1)}"
    for name, reason in _without_effect().items():
        value, unchanged = getattr(config, name, None), getattr(default, name, None)
        if name == "policies":  # as a tuple, a spec that went through a dict equals no other
            value, unchanged = set(value), set(unchanged)
        if not _is_same(value, unchanged):
            yield f"{name.lstrip('_')}={_short(value)} has no effect here: {reason}"
    for name, (fixed, reason) in table.FIXED.items():
        if (value := getattr(config, name)) != fixed:
            yield f"{name.lstrip('_')}={value!r} cannot work here: {reason}; leave it at {fixed!r}"
    for name in (config.evaluation_config or {}).keys() - set(_EVALUATION):
        yield (
            f"evaluation_config: {name} cannot differ, because evaluation runs on the training"
            f" EnvRunners; change only {', '.join(_EVALUATION)}"
        )
    yield from _callback_mistakes(config)


def _without_effect() -> dict[str, str]:
    """Return the settings that must keep their default, and why."""
    groups = table.WITHOUT_EFFECT.items()
    return {
        **table.REPLACED,
        **{name: reason for reason, names in groups for name in sorted(names)},
    }


def _is_same(value: Any, default: Any) -> bool:
    """Return whether two values of a setting mean the same; None, 0 and {} do."""
    return bool(value == default) or (not value and not default)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + "..."


def _callback_mistakes(config: Any) -> Iterator[str]:
    """Yield hooks of the user that nothing would call."""
    for one in force_list(config.callbacks_class):
        for hook, reason in table.UNCALLED_HOOKS.items():
            if overrides(one, hook):
                yield f"{hook} of {one.__name__} is never called: {reason}"
    if config.num_env_workers and is_listened_to("on_environment_created", config):
        yield (
            f"num_env_workers={config.num_env_workers}: on_environment_created cannot reach"
            " environments in other processes; set num_env_workers=0, or do it in the environment"
        )

"""Checks of RLlib's own settings: those without effect here, and those of evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rllib_gigpo.env_runner.callback_checks import callback_mistakes
from rllib_gigpo.env_runner.runner_callbacks import RUNNER_HOOKS
from rllib_gigpo.options.registry import did_you_mean
from rllib_gigpo.options.rllib_table import changes_without_effect

# The settings that evaluation may change; it shares EnvRunners and engines with training.
_EVALUATION = (
    *("eval_sampling", "num_test_tasks", "first_test_task", "env", "env_config"),
    "callbacks_class",
    *(f"callbacks_{hook}" for hook in RUNNER_HOOKS),
)


def rllib_mistakes(config: Any, default: Any) -> Iterator[str]:
    """Yield settings that do not exist or have no effect; ``default`` is an unchanged config."""
    # Tune silently sets unknown keys of a search space as attributes; RLlib leaves "class" on a
    # config that went through a dict or a checkpoint.
    known = {*vars(default), "class"}
    for name in vars(config).keys() - known:
        if not name.startswith("_"):
            yield f"{name!r} is not a setting of GiGPOConfig{did_you_mean(name, known, most=1)}"
    yield from changes_without_effect(config, default)
    yield from callback_mistakes(config)
    for name in (config.evaluation_config or {}).keys() - set(_EVALUATION):
        yield (
            f"evaluation_config: {name} cannot differ, because evaluation runs on the training"
            f" EnvRunners; change only {', '.join(_EVALUATION)}"
        )

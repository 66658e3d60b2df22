"""Checks of the user's callbacks: hooks that nothing would call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ray.rllib.utils import force_list

from rllib_gigpo.env_runner.runner_callbacks import functions_of, overrides

# Methods of RLlibCallback that are never called, and why.
UNCALLED_HOOKS: Mapping[str, str] = {
    "on_evaluate_offline_start": "there is no offline evaluation",
    "on_evaluate_offline_end": "there is no offline evaluation",
    "on_offline_eval_runners_recreated": "there is no offline evaluation",
    "on_sub_environment_created": "use on_environment_created",
    "on_postprocess_trajectory": "use on_sample_end, or a Learner connector",
    "on_create_policy": "there is no Policy; use on_algorithm_init",
    "on_learn_on_batch": "add a Learner connector",
}


def callback_mistakes(config: Any) -> Iterator[str]:
    """Yield hooks of the user that nothing would call."""
    callbacks = force_list(config.callbacks_class)
    for one in callbacks:
        for hook, reason in UNCALLED_HOOKS.items():
            if overrides(one, hook):
                yield f"{hook} of {one.__name__} is never called: {reason}"
    if config.num_env_workers and functions_of("on_environment_created", callbacks, config):
        yield (
            f"num_env_workers={config.num_env_workers}: on_environment_created cannot reach"
            " environments in other processes; set num_env_workers=0, or do it in the environment"
        )

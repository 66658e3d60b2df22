"""Checks of RLlib's own settings: those without effect here, and those of evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rllib_gigpo.options.registry import did_you_mean

# Settings of RLlib without effect here, with their replacements.
_REPLACED = {
    "train_batch_size": "a batch is num_groups x group_size episodes",
    "_train_batch_size_per_learner": "a batch is num_groups x group_size episodes",
    "minibatch_size": "set num_minibatches, the optimiser steps per epoch",
    "rollout_fragment_length": "whole episodes are sampled; see max_episode_steps",
    "num_envs_per_env_runner": "each episode has its environment; see max_concurrent_episodes",
    "shuffle_batch_per_epoch": "mini-batches are always shuffled, by trajectory",
    "evaluation_duration": "set tasks(num_test_tasks=...)",
    "evaluation_duration_unit": "evaluation plays whole episodes of the test tasks",
    "evaluation_num_env_runners": "evaluation runs on the training EnvRunners and their engines",
    "evaluation_parallel_to_training": "evaluation and training share the engines, in turn",
    "explore": "set inference(eval_sampling=...); training samples from the model itself",
    "use_kl_loss": "set kl_coeff",
    "grad_clip_by": "gradients are clipped by their global norm",
}
# The settings that evaluation may change; it shares the engines with training.
_EVALUATION = ("eval_sampling", "num_test_tasks", "first_test_task")


def rllib_mistakes(config: Any, default: Any) -> Iterator[str]:
    """Yield settings that do not exist or have no effect; ``default`` is an unchanged config."""
    # Tune silently sets unknown keys of a search space as attributes; RLlib leaves "class" on a
    # config that went through a dict or a checkpoint.
    known = {*vars(default), "class"}
    for name in vars(config).keys() - known:
        if not name.startswith("_"):
            yield f"{name!r} is not a setting of GiGPOConfig{did_you_mean(name, known, most=1)}"
    for name, cure in _REPLACED.items():
        value = getattr(config, name, None)
        if value != getattr(default, name, None):
            yield f"{name.lstrip('_')}={value!r} has no effect here: {cure}"
    for name in (config.evaluation_config or {}).keys() - set(_EVALUATION):
        yield (
            f"evaluation_config: {name} cannot differ, because evaluation runs on the training"
            f" EnvRunners; change only {', '.join(_EVALUATION)}"
        )

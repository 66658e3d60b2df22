"""Everything that can be wrong with a `GiGPOConfig`, each mistake with its cure.

One small function per topic yields sentences; `all_mistakes` collects them, so that a user sees
every mistake at once. Nothing here imports Ray, vLLM or torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rllib_gigpo.errors import ConfigError, GiGPOError
from rllib_gigpo.models.lora_settings import LoraSettings
from rllib_gigpo.prompting.template import PromptTemplate
from rllib_gigpo.setters import did_you_mean
from rllib_gigpo.training_checks import TRAINING_CHECKS, is_number

# RLlib settings that would do nothing here, with what replaces them.
HOST_SETTINGS = {
    "train_batch_size": "num_groups x group_size episodes make a batch",
    "_train_batch_size_per_learner": "num_groups x group_size episodes make a batch",
    "minibatch_size": "set num_minibatches, the optimiser steps per epoch",
    "rollout_fragment_length": "whole episodes are sampled; see max_episode_steps",
    "num_envs_per_env_runner": "as many environments as episodes run; see max_concurrent_episodes",
    "shuffle_batch_per_epoch": "mini-batches are always shuffled, by trajectory",
    "evaluation_duration": "set tasks(num_test_tasks=...)",
    "evaluation_duration_unit": "evaluation plays whole episodes of the test tasks",
    "evaluation_num_env_runners": "evaluation runs on the training EnvRunners and their engines",
    "evaluation_parallel_to_training": "evaluation runs on the engines that training uses",
    "explore": "set inference(temperature=...)",
    "use_kl_loss": "set kl_coeff",
    "grad_clip_by": "gradients are clipped by their global norm",
}
_CHOICES = {
    "dtype": ("float32", "bfloat16", "float16"),
    "autocast_dtype": (None, "bfloat16", "float16"),
    "episode_baseline": ("trajectory", "step"),
    "penalty_mode": ("return", "row", "score"),
    "loss_aggregation": (
        "token_mean",
        "seq_mean_token_mean",
        "seq_mean_token_sum",
        "seq_sum_norm",
    ),
    "critic": (None, "head", "model"),
    "policy_loss": ("ppo", "gspo", "cispo"),
    "kl_placement": ("loss", "reward"),
    "kl_estimator": ("k1", "abs", "k2", "k3"),
    "old_logp": ("rollout", "recompute"),
    "importance_sampling": (None, "token", "sequence"),
    "optimizer_name": ("adamw", "sgd"),
    "lr_schedule": ("constant", "linear", "cosine"),
}
_INTEGERS_AT_LEAST = {
    "group_size": 1,
    "num_groups": 1,
    "num_epochs": 1,
    "num_minibatches": 1,
    "micro_batch_tokens": 1,
    "logp_chunk_tokens": 1,
    "max_prompt_tokens": 1,
    "max_response_tokens": 1,
    "max_episode_steps": 1,
    "history_length": 0,
    "anchor_context": 0,
    "overlong_buffer_tokens": 0,
    "max_resamples": 1,
    "kl_horizon": 1,
    "num_env_workers": 0,
    "num_env_threads": 0,
    "max_group_redraws": 0,
    "tensor_parallel_size": 1,
    "lr_warmup_iterations": 0,
    "num_test_tasks": 1,
    "task_period": 1,
    "transcript_interval": 0,
    "transcript_groups": 1,
}
_NUMBERS_AT_LEAST = {
    "kl_coeff": 0.0,
    "entropy_coeff": 0.0,
    "weight_decay": 0.0,
    "format_penalty": 0.0,
    "admissible_penalty": 0.0,
    "overlong_penalty": 0.0,
    "critic_lr": 0.0,
    "vf_loss_coeff": 0.0,
    "lr": 0.0,
    "eval_temperature": 0.0,
}
_NUMBERS = (
    "step_weight",
    "episode_weight",
    "anchor_threshold",
    "eval_top_p",
    "lr_final_fraction",
    "level_weight_alpha",
    "gae_lambda",
    "first_train_task",
    "first_test_task",
)
_NUMBERS_OR_NONE = (
    "num_train_tasks",
    "max_concurrent_episodes",
    "clip_param_high",
    "dual_clip",
    "grad_clip",
    "advantage_clip",
    "vf_clip_param",
    "kl_target",
    "loss_constant",
    "lr_decay_iterations",
)
_NUMBERS_ABOVE_ZERO = (
    "clip_param",
    "importance_cap",
    "engine_timeout_s",
    "weight_sync_timeout_s",
    "adam_eps",
)
_BOOLEANS = (
    "whiten_advantages",
    "anchor_within_trajectory",
    "episode_term",
    "overlong_filter",
    "dynamic_sampling",
    "importance_mask",
    "gradient_checkpointing",
    "require_think",
    "share_gpu",
)


def all_mistakes(config: Any) -> list[str]:
    """Every mistake of ``config`` as one sentence that names the values and the cure."""
    # What is no number cannot be compared with a bound.
    return list(_types(config)) or [mistake for check in _CHECKS for mistake in check(config)]


def _types(config: Any) -> Iterator[str]:
    for name in _NUMBERS + _NUMBERS_OR_NONE:
        value = getattr(config, name)
        may_be_none = name in _NUMBERS_OR_NONE
        if not is_number(value) and not (value is None and may_be_none):
            yield f"{name}={value!r} must be a number{' or None' if may_be_none else ''}"


def _unknown_attributes(config: Any) -> Iterator[str]:
    """Tune sets unknown keys of a search space as attributes without a word."""
    known = set(vars(type(config)(algo_class=config.algo_class)))
    known.add("class")  # RLlib leaves it on a config that went through a dict or a checkpoint
    for name in vars(config):
        if name in known or name.startswith("_"):
            continue
        yield f"{name!r} is not a setting of GiGPOConfig{did_you_mean(name, known, most=1)}"


def _host_settings(config: Any) -> Iterator[str]:
    defaults = type(config)(algo_class=config.algo_class)
    for name, cure in HOST_SETTINGS.items():
        value, default = getattr(config, name, None), getattr(defaults, name, None)
        if value != default:
            yield f"{name.lstrip('_')}={value!r} has no effect here: {cure}"


def _choices(config: Any) -> Iterator[str]:
    for name, allowed in _CHOICES.items():
        value = getattr(config, name)
        if value not in allowed:
            yield f"{name}={value!r} is not one of {', '.join(map(repr, allowed))}"


def _booleans(config: Any) -> Iterator[str]:
    """The word "no" would count as yes."""
    for name in _BOOLEANS:
        value = getattr(config, name)
        if not isinstance(value, bool):
            yield f"{name}={value!r} must be True or False"


def _numbers(config: Any) -> Iterator[str]:
    for name, least in _INTEGERS_AT_LEAST.items():
        value = getattr(config, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            yield f"{name}={value!r} must be a whole number of at least {least}"
    for name, bound in _NUMBERS_AT_LEAST.items():
        value = getattr(config, name)
        if not is_number(value) or value < bound:
            yield f"{name}={value!r} must be a number of at least {bound:g}"
    for name in _NUMBERS_ABOVE_ZERO:
        value = getattr(config, name)
        if not is_number(value) or value <= 0:
            yield f"{name}={value!r} must be a number above 0"
    if not is_number(config.gamma) or not 0 < config.gamma <= 1:
        yield f"gamma={config.gamma!r} must be in (0, 1]"


def _model(config: Any) -> Iterator[str]:
    path = config.model_path
    if path is None:
        yield (
            "model_path is not set: call .llm(model_path=<Hugging Face folder>), or make a small"
            " model with `rllib warm-start` or rllib_gigpo.warm_start"
        )
    elif not Path(path).is_dir():
        yield (
            f"model_path={str(path)!r} is not a folder: models are never downloaded; give the path"
            " of a folder with config.json, weights and tokenizer"
        )
    elif not (Path(path) / "config.json").is_file():
        yield f"model_path={str(path)!r} holds no config.json, so it is not a Hugging Face model"
    else:
        yield from _context(config, Path(path) / "config.json")


def _context(config: Any, config_file: Path) -> Iterator[str]:
    """Prompt and response must fit the model's context together."""
    try:
        length = json.loads(config_file.read_text(encoding="utf-8")).get("max_position_embeddings")
    except (OSError, ValueError) as error:
        yield f"{config_file} cannot be read as JSON: {error}"
        return
    wanted = config.max_prompt_tokens + config.max_response_tokens
    if isinstance(length, int) and wanted > length:
        yield (
            f"max_prompt_tokens={config.max_prompt_tokens} and max_response_tokens="
            f"{config.max_response_tokens} need a context of {wanted} tokens, but the model's has"
            f" {length}; lower them with .llm(...)"
        )


def _lora(config: Any) -> Iterator[str]:
    if config.lora is None:
        return
    try:
        settings = LoraSettings.from_setting(config.lora)
    except ConfigError as error:
        yield str(error)
        return
    if settings.is_hot and config.engine == "transformers":
        yield "lora: sync='adapter' is vLLM's; use sync='merged' with engine=\"transformers\""


def _environment(config: Any) -> Iterator[str]:
    if config.env is None:
        yield "no environment: call .environment('module:Id-v0', env_config={...})"


def _sampling(config: Any) -> Iterator[str]:
    if config.temperature != 1.0:
        yield (
            f"temperature={config.temperature!r} must be 1 in training: the ratio of PPO compares"
            " the model's own distribution; use eval_temperature for evaluation"
        )
    for name, off in (("top_p", 1.0), ("top_k", 0)):
        if getattr(config, name) != off:
            yield f"{name}={getattr(config, name)!r} must be {off} in training; use eval_{name}"
    if not 0 < config.eval_top_p <= 1:
        yield f"eval_top_p={config.eval_top_p!r} must be in (0, 1]"


def _tasks(config: Any) -> Iterator[str]:
    num_train, num_test = config.num_train_tasks, config.num_test_tasks
    if num_train is not None and num_train < 1:
        yield f"num_train_tasks={num_train!r} must be at least 1, or None for no bound"
        return
    period = config.task_period
    if num_train is not None and isinstance(period, int) and period > 0 and num_train % period:
        multiple = num_train - num_train % period or period
        yield (
            f"num_train_tasks={num_train} must be a multiple of task_period={period}, so that each"
            f" pass holds as many tasks of every kind; take {multiple}"
        )
    if not isinstance(num_test, int):
        return
    test = range(config.first_test_task, config.first_test_task + num_test)
    last_train = math.inf if num_train is None else config.first_train_task + num_train - 1
    if config.first_train_task <= test[-1] and test[0] <= last_train and num_train is not None:
        yield (
            f"training tasks {config.first_train_task}..{last_train} and test tasks"
            f" {test[0]}..{test[-1]} meet; move first_test_task"
        )
    if num_train is None and config.first_train_task >= config.first_test_task:
        yield (
            f"first_train_task={config.first_train_task} without num_train_tasks runs into the"
            f" test tasks from {config.first_test_task}; set num_train_tasks"
        )


def _prompting(config: Any) -> Iterator[str]:
    try:
        PromptTemplate.from_name_or_source(config.template)
    except GiGPOError as error:
        yield str(error)
    if config.require_think and config.think_tag is None:
        yield "require_think=True needs a think_tag"
    if config.memory is not None and not hasattr(config.memory, "recall"):
        yield f"memory={config.memory!r} has no method recall(past); derive it from Memory"
    if config.action_parser is not None and not hasattr(config.action_parser, "parse"):
        yield f"action_parser={config.action_parser!r} has no method parse(response, admissible)"


def _resources(config: Any) -> Iterator[str]:
    concurrent = config.max_concurrent_episodes
    if concurrent is not None and concurrent < 1:
        yield f"max_concurrent_episodes={concurrent!r} must be at least 1, or None for no bound"
    if config.num_env_workers and not is_number(config.num_cpus_per_env_worker):
        yield f"num_cpus_per_env_worker={config.num_cpus_per_env_worker!r} must be a number"
    if config.num_env_runners == 0 and config.num_gpus_per_learner > 0:
        if config.num_learners > 0:
            yield (
                "num_env_runners=0 puts the engine on a GPU that Ray does not know of, beside"
                " remote Learners: set env_runners(num_env_runners=1, num_gpus_per_env_runner=1)"
            )
        elif not config.share_gpu:
            yield (
                "num_env_runners=0 and num_learners=0 put engine and Learner on one GPU: set"
                " inference(share_gpu=True), or env_runners(num_env_runners=1)"
            )
    if config.share_gpu and config.num_gpus_per_learner == 0:
        yield "share_gpu=True needs learners(num_gpus_per_learner=...), a fraction of one GPU"


_CHECKS: tuple[Callable[[Any], Iterator[str]], ...] = (
    _unknown_attributes,
    _host_settings,
    _choices,
    _booleans,
    _numbers,
    _model,
    _lora,
    _environment,
    _sampling,
    _tasks,
    *TRAINING_CHECKS,
    _prompting,
    _resources,
)

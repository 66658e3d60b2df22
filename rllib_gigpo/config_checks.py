"""Everything that can be wrong with a `GiGPOConfig`, each mistake with its cure.

One small function per topic yields sentences; `all_mistakes` collects them, so that a user sees
every mistake at once. Nothing here imports Ray, vLLM or torch.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rllib_gigpo import columns
from rllib_gigpo.credit.anchors import ANCHOR_MATCHES
from rllib_gigpo.credit.estimators import (
    columns_needed,
    estimator_settings,
    known_estimators,
    make_estimator,
    settings_from,
    settings_of_all,
)
from rllib_gigpo.credit.imported import imported
from rllib_gigpo.credit.text_similarity import RATIOS
from rllib_gigpo.errors import GiGPOError
from rllib_gigpo.prompting.template import PromptTemplate

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
    "group_size": 2,
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
_ANCHOR_SETTINGS = ("anchor", "anchor_threshold", "anchor_ratio", "anchor_within_trajectory")
_NUMBERS_ABOVE_ZERO = (
    "clip_param",
    "importance_cap",
    "engine_timeout_s",
    "weight_sync_timeout_s",
    "adam_eps",
)


def all_mistakes(config: Any) -> list[str]:
    """Every mistake of ``config`` as one sentence that names the values and the cure."""
    # What is no number cannot be compared with a bound.
    return list(_types(config)) or [mistake for check in _CHECKS for mistake in check(config)]


def _types(config: Any) -> Iterator[str]:
    for name in _NUMBERS + _NUMBERS_OR_NONE:
        value = getattr(config, name)
        may_be_none = name in _NUMBERS_OR_NONE
        if not _is_number(value) and not (value is None and may_be_none):
            yield f"{name}={value!r} must be a number{' or None' if may_be_none else ''}"


def _unknown_attributes(config: Any) -> Iterator[str]:
    """Tune sets unknown keys of a search space as attributes without a word."""
    known = set(vars(type(config)(algo_class=config.algo_class)))
    known.add("class")  # RLlib leaves it on a config that went through a dict or a checkpoint
    for name in vars(config):
        if name in known or name.startswith("_"):
            continue
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        yield f"{name!r} is not a setting of GiGPOConfig{hint}"


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


def _numbers(config: Any) -> Iterator[str]:
    for name, least in _INTEGERS_AT_LEAST.items():
        value = getattr(config, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            yield f"{name}={value!r} must be a whole number of at least {least}{_WHY.get(name, '')}"
    for name, bound in _NUMBERS_AT_LEAST.items():
        value = getattr(config, name)
        if not _is_number(value) or value < bound:
            yield f"{name}={value!r} must be a number of at least {bound:g}"
    for name in _NUMBERS_ABOVE_ZERO:
        value = getattr(config, name)
        if not _is_number(value) or value <= 0:
            yield f"{name}={value!r} must be a number above 0"
    if not _is_number(config.gamma) or not 0 < config.gamma <= 1:
        yield f"gamma={config.gamma!r} must be in (0, 1]"


_WHY = {
    "group_size": (
        ": a group of one has nobody to be compared with, so every advantage would be 0;"
        " the published runs use 8"
    )
}


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
    known = ("rank", "alpha", "target_modules")
    if not isinstance(config.lora, Mapping) or set(config.lora) - set(known):
        yield f"lora={config.lora!r} must be a dict with the keys {', '.join(known)}, or None"
        return
    for name in ("rank", "alpha"):
        value = config.lora.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            yield f"lora: {name}={value!r} must be a whole number of at least 1"


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


def _credit(config: Any) -> Iterator[str]:
    try:
        make_estimator(config.estimator, settings_from(config, config.estimator))
    except (GiGPOError, ValueError, TypeError, ImportError) as error:
        yield f"{error} (known estimators: {', '.join(known_estimators())})"
        return
    yield from _ignored_by_the_estimator(config)
    for name, known in (("anchor", ANCHOR_MATCHES), ("anchor_ratio", RATIOS)):
        if getattr(config, name) not in known:
            try:
                imported(getattr(config, name), setting=name, known=known)
            except ValueError as error:
                yield str(error)
    if not 0 < config.anchor_threshold < 1:
        yield f"anchor_threshold={config.anchor_threshold!r} must lie inside (0, 1)"
    if config.advantage_clip is not None and config.advantage_clip <= 0:
        yield f"advantage_clip={config.advantage_clip!r} must be above 0, or None"
    if config.overlong_buffer_tokens > config.max_response_tokens:
        yield (
            f"overlong_buffer_tokens={config.overlong_buffer_tokens!r} must not be above"
            f" max_response_tokens={config.max_response_tokens!r}"
        )
    if config.step_weight == 0 and config.episode_weight == 0:
        yield "step_weight and episode_weight are both 0, so every advantage would be 0"


def _ignored_by_the_estimator(config: Any) -> Iterator[str]:
    """Settings of credit that were changed and would do nothing."""
    defaults = type(config)(algo_class=config.algo_class)
    chosen = f"has no effect with estimator={config.estimator!r}"

    def changed(names: Iterable[str]) -> Iterator[str]:
        return (name for name in sorted(names) if getattr(config, name) != getattr(defaults, name))

    own = estimator_settings(config.estimator)
    # gamma is RLlib's own, and every published script sets it.
    for name in changed(settings_of_all() - {*own, "gamma"}):
        readers = [known for known in known_estimators() if name in estimator_settings(known)]
        yield f"{name}={getattr(config, name)!r} {chosen}; it belongs to {', '.join(readers)}"
    needed = columns_needed(config.estimator)
    if needed is None:
        return
    yield from _critic(config, needs_critic=columns.VALUES in needed)
    if columns.ANCHOR_GROUP_IDS not in needed:
        for name in changed(_ANCHOR_SETTINGS):
            yield f"{name}={getattr(config, name)!r} {chosen}, which compares no anchors"
    if columns.STEP_RETURNS not in needed and config.penalty_mode == "return":
        for name in changed(("format_penalty", "admissible_penalty", "overlong_buffer_tokens")):
            yield (
                f"{name}={getattr(config, name)!r} {chosen} and penalty_mode='return', because it"
                " reads no step returns; set penalty_mode='row'"
            )


def _critic(config: Any, *, needs_critic: bool) -> Iterator[str]:
    if needs_critic and config.critic is None:
        yield (
            f"estimator={config.estimator!r} needs a critic: set critic='head' (on the policy's"
            " trunk) or critic='model' (a second model)"
        )
    if not needs_critic and config.critic is not None:
        yield f"critic={config.critic!r} has no effect with estimator={config.estimator!r}"
    if config.vf_clip_param is not None and config.vf_clip_param <= 0:
        yield f"vf_clip_param={config.vf_clip_param!r} must be above 0, or None"


def _loss(config: Any) -> Iterator[str]:
    high = config.clip_param_high
    if high is not None and (not _is_number(high) or high <= 0):
        yield f"clip_param_high={high!r} must be above 0, or None for clip_param"
    if config.dual_clip is not None and config.dual_clip <= 1:
        yield f"dual_clip={config.dual_clip!r} must be above 1, or None"
    if config.policy_loss != "ppo" and config.dual_clip is not None:
        yield f"dual_clip has no effect with policy_loss={config.policy_loss!r}; set it to None"
    if config.policy_loss == "gspo" and config.loss_aggregation != "seq_mean_token_mean":
        yield "policy_loss='gspo' weighs whole answers: set loss_aggregation='seq_mean_token_mean'"
    if config.kl_target is not None and (config.kl_target <= 0 or config.kl_coeff == 0):
        yield f"kl_target={config.kl_target!r} must be above 0 and needs a kl_coeff above 0"
    if config.old_logp == "rollout" and config.importance_sampling is not None:
        yield (
            f"importance_sampling={config.importance_sampling!r} has no effect with"
            " old_logp='rollout', where the ratio itself corrects; set old_logp='recompute'"
        )
    if (config.loss_aggregation == "seq_sum_norm") != (config.loss_constant is not None):
        yield "loss_constant belongs to loss_aggregation='seq_sum_norm': set both or neither"
    if config.loss_constant is not None and config.loss_constant <= 0:
        yield f"loss_constant={config.loss_constant!r} must be above 0"
    if config.grad_clip is not None and config.grad_clip <= 0:
        yield f"grad_clip={config.grad_clip!r} must be above 0, or None"


def _lr_schedule(config: Any) -> Iterator[str]:
    decays, end = config.lr_schedule != "constant", config.lr_decay_iterations
    if decays and end is None:
        yield f"lr_schedule={config.lr_schedule!r} needs lr_decay_iterations (in iterations)"
    elif decays and end <= config.lr_warmup_iterations:
        yield (
            f"lr_decay_iterations={end!r} counts from the start, warm-up included, so it must be"
            f" above lr_warmup_iterations={config.lr_warmup_iterations!r}"
        )
    if not decays and end is not None:
        yield "lr_decay_iterations has no effect with lr_schedule='constant'"
    if not 0 <= config.lr_final_fraction <= 1:
        yield f"lr_final_fraction={config.lr_final_fraction!r} must be in [0, 1]"


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
    if config.num_env_workers and not _is_number(config.num_cpus_per_env_worker):
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


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_CHECKS: tuple[Callable[[Any], Iterator[str]], ...] = (
    _unknown_attributes,
    _host_settings,
    _choices,
    _numbers,
    _model,
    _lora,
    _environment,
    _sampling,
    _tasks,
    _credit,
    _loss,
    _lr_schedule,
    _prompting,
    _resources,
)

"""What can be wrong with the settings of `GiGPOConfig.training`: credit, critic, loss, schedule.

As in `config_checks.py`: one small function per topic, which yields sentences with the cure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
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

_ANCHOR_SETTINGS = ("anchor", "anchor_threshold", "anchor_ratio", "anchor_within_trajectory")


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
    if high is not None and (not is_number(high) or high <= 0):
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


def is_number(value: Any) -> bool:
    """Whether a value is a finite number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


TRAINING_CHECKS: tuple[Callable[[Any], Iterator[str]], ...] = (_credit, _loss, _lr_schedule)

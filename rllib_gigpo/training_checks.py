"""What can be wrong with the settings of `GiGPOConfig.training`: credit, critic, loss, schedule.

As in `config_checks.py`: one small function per topic, which yields sentences with the cure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from rllib_gigpo import columns
from rllib_gigpo.credit.anchors import ANCHOR_MATCHES
from rllib_gigpo.credit.estimators import (
    Estimator,
    columns_needed,
    estimator_settings,
    known_estimators,
    make_estimator,
    resolve_estimator,
    settings_from,
)
from rllib_gigpo.credit.imported import imported
from rllib_gigpo.credit.text_similarity import RATIOS
from rllib_gigpo.errors import ConfigError, GiGPOError
from rllib_gigpo.ignored_settings import ignored_settings

_WEIGHTS = ("step_weight", "episode_weight")


def _estimator(config: Any) -> Iterator[str]:
    try:
        estimator = make_estimator(config.estimator, settings_from(config, config.estimator))
    except (GiGPOError, ValueError, TypeError, ImportError) as error:
        yield f"{error} (known estimators: {', '.join(known_estimators())})"
        return
    yield from _group_size(config, estimator)
    yield from _weights(config)
    needed = columns_needed(config.estimator)
    if needed is not None and columns.VALUES in needed and config.critic is None:
        yield (
            f"estimator={config.estimator!r} needs a critic: set critic='head' (on the policy's"
            " trunk) or critic='model' (a second model)"
        )


def _group_size(config: Any, estimator: Estimator) -> Iterator[str]:
    """A group of one is for rules that compare something else."""
    if config.group_size != 1:
        return
    if estimator.compares_within_groups:
        others = [one for one in known_estimators() if not _compares_within_groups(one)]
        yield (
            "group_size=1 leaves an episode with nobody to be compared with, and"
            f" estimator={config.estimator!r} compares within groups: set at least 2 (the published"
            f" runs use 8), or a rule that compares no groups ({', '.join(others)})"
        )
    if config.dynamic_sampling is True:
        yield (
            "dynamic_sampling=True drops groups whose episodes have equal returns, which all"
            " groups of group_size=1 do: set dynamic_sampling=False, or group_size to at least 2"
        )


def _compares_within_groups(known: str) -> bool:
    return make_estimator(known, {}).compares_within_groups


def _weights(config: Any) -> Iterator[str]:
    """The known rules are sums of levels; with a user's own rule we cannot tell."""
    if config.estimator not in known_estimators():
        return
    own = [one for one in _WEIGHTS if one in estimator_settings(config.estimator)]
    if own and not any(getattr(config, name) for name in own):
        yield (
            f"{' and '.join(own)} of 0 would make every advantage 0 with"
            f" estimator={config.estimator!r}; set {' or '.join(own)} to 1"
        )


def _ignored(config: Any) -> Iterator[str]:
    try:
        resolve_estimator(config.estimator)
    except ConfigError:
        return  # said already, and who knows what it would read
    yield from ignored_settings(config)


def _credit(config: Any) -> Iterator[str]:
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
    if config.vf_clip_param is not None and config.vf_clip_param <= 0:
        yield f"vf_clip_param={config.vf_clip_param!r} must be above 0, or None"


def _loss(config: Any) -> Iterator[str]:
    yield from _clip(config)
    if config.dual_clip is not None and config.dual_clip <= 1:
        yield f"dual_clip={config.dual_clip!r} must be above 1, or None"
    if config.policy_loss != "ppo" and config.dual_clip is not None:
        yield f"dual_clip has no effect with policy_loss={config.policy_loss!r}; set it to None"
    if config.policy_loss == "gspo" and config.loss_aggregation != "seq_mean_token_mean":
        yield "policy_loss='gspo' weighs whole answers: set loss_aggregation='seq_mean_token_mean'"
    if config.kl_target is not None and config.kl_target <= 0:
        yield f"kl_target={config.kl_target!r} must be above 0, or None"
    if (config.loss_aggregation == "seq_sum_norm") != (config.loss_constant is not None):
        yield "loss_constant belongs to loss_aggregation='seq_sum_norm': set both or neither"
    if config.loss_constant is not None and config.loss_constant <= 0:
        yield f"loss_constant={config.loss_constant!r} must be above 0"
    if config.grad_clip is not None and config.grad_clip <= 0:
        yield f"grad_clip={config.grad_clip!r} must be above 0, or None"


def _clip(config: Any) -> Iterator[str]:
    low, high = config.clip_param, config.clip_param_high
    if high is not None and high <= 0:
        yield f"clip_param_high={high!r} must be above 0, or None for clip_param"
    # A ratio is above 0, so that 1 is no lower bound: CISPO's published choice.
    if is_number(low) and (low > 1 or (low == 1 and config.policy_loss != "cispo")):
        yield (
            f"clip_param={low!r} with policy_loss={config.policy_loss!r} puts the ratio's lower"
            " bound, 1 - clip_param, at 0 or below: set it below 1 (policy_loss='cispo' may have"
            " 1, for no lower bound), and for a wider upper bound clip_param_high"
        )


def _lr_schedule(config: Any) -> Iterator[str]:
    decays, end = config.lr_schedule != "constant", config.lr_decay_iterations
    if decays and end is None:
        yield f"lr_schedule={config.lr_schedule!r} needs lr_decay_iterations (in iterations)"
    elif decays and end <= config.lr_warmup_iterations:
        yield (
            f"lr_decay_iterations={end!r} counts from the start, warm-up included, so it must be"
            f" above lr_warmup_iterations={config.lr_warmup_iterations!r}"
        )
    if not 0 <= config.lr_final_fraction <= 1:
        yield f"lr_final_fraction={config.lr_final_fraction!r} must be in [0, 1]"


def is_number(value: Any) -> bool:
    """Whether a value is a finite number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


TRAINING_CHECKS: tuple[Callable[[Any], Iterator[str]], ...] = (
    _estimator,
    _ignored,
    _credit,
    _loss,
    _lr_schedule,
)

"""Settings that would do nothing: a table of what each setting needs to be read.

A setting that stands at its default is never one of them. Where a setting needs two things, such as
a rule with a critic and then a critic, the first that is missing is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rllib_gigpo import columns
from rllib_gigpo.credit.estimators import (
    EstimatorSpec,
    columns_needed,
    estimator_settings,
    known_estimators,
    settings_of_all,
)


@dataclass(frozen=True, slots=True)
class Condition:
    """When settings are read.

    Attributes:
        names: The settings.
        deciders: Names of the settings that decide whether those are read.
        is_read: The values of the deciders -> whether they are.
        cure: What to set, as a clause.
    """

    names: tuple[str, ...]
    deciders: tuple[str, ...]
    is_read: Callable[..., bool]
    cure: str

    def is_met(self, config: Any) -> bool:
        """Whether the settings are read in ``config``."""
        return self.is_read(*(getattr(config, name) for name in self.deciders))

    def mistake(self, name: str, value: Any, default: Any, config: Any) -> str:
        """Name the setting, what makes it ignored, and the two cures."""
        deciders = [f"{one}={getattr(config, one)!r}" for one in self.deciders if one != name]
        return (
            f"{name}={value!r} has no effect with {' and '.join(deciders)}: {self.cure}; or leave"
            f" {name} at its default, {default!r}"
        )


def ignored_settings(config: Any) -> Iterator[str]:
    """Yield a sentence for each setting that was changed and would do nothing.

    Args:
        config: A `GiGPOConfig` whose estimator is known.
    """
    defaults = type(config)(algo_class=config.algo_class)
    reported = set[str]()
    for condition in _CONDITIONS:
        if condition.is_met(config):
            continue
        for name in condition.names:
            value, default = getattr(config, name), getattr(defaults, name)
            if name not in reported and _plain(value) != _plain(default):
                reported.add(name)
                yield condition.mistake(name, value, default, config)


def settings_read_with(decider: str) -> list[str]:
    """Names of the settings that do nothing where the setting ``decider`` says so, sorted."""
    return sorted({name for one in _CONDITIONS if decider in one.deciders for name in one.names})


def _plain(value: Any) -> Any:
    """A config that was JSON has lists in the place of tuples."""
    return tuple(value) if isinstance(value, list) else value


def _is_field(name: str) -> Callable[[EstimatorSpec], bool]:
    return lambda estimator: name in estimator_settings(estimator)


def _reads(*names: str) -> Callable[[EstimatorSpec], bool]:
    """Whether a rule reads one of the columns; a function may read any."""

    def reads(estimator: EstimatorSpec) -> bool:
        needed = columns_needed(estimator)
        return needed is None or not needed.isdisjoint(names)

    return reads


def _sees_penalties(estimator: EstimatorSpec) -> bool:
    return _reads(columns.STEP_RETURNS, columns.PENALTIES)(estimator)


def _owners(is_owner: Callable[[EstimatorSpec], bool]) -> str:
    return "it belongs to " + ", ".join(name for name in known_estimators() if is_owner(name))


def _for_rules(names: tuple[str, ...], is_read: Callable[[EstimatorSpec], bool]) -> Condition:
    """Settings that only some credit rules read."""
    return Condition(names, ("estimator",), is_read, _owners(is_read))


_ANCHOR = ("anchor", "anchor_threshold", "anchor_ratio", "anchor_within_trajectory")
_CRITIC = ("critic_lr", "vf_loss_coeff", "vf_clip_param")
_PENALTIES = ("format_penalty", "admissible_penalty", "overlong_buffer_tokens")
# gamma is RLlib's own, and every published script sets it; the mode of penalties is in the columns.
_FIELDS = sorted(settings_of_all() - {"gamma", "penalty_mode"})

_CONDITIONS: tuple[Condition, ...] = (
    *(_for_rules((name,), _is_field(name)) for name in _FIELDS),
    _for_rules(_ANCHOR, _reads(columns.ANCHOR_GROUP_IDS)),
    _for_rules(("critic", *_CRITIC), _reads(columns.VALUES)),
    Condition(
        ("penalty_mode",),
        ("estimator",),
        lambda rule: _is_field("penalty_mode")(rule) or _sees_penalties(rule),
        "its `needs` name neither STEP_RETURNS nor PENALTIES; name what it is to read",
    ),
    Condition(
        ("penalty_mode",),
        ("estimator", "penalty_mode"),
        lambda rule, mode: _is_field("penalty_mode")(rule) or mode != "score",
        "it has no field of this name, so that 'score' would be 'row'; set 'row'",
    ),
    Condition(
        _PENALTIES,
        ("estimator", "penalty_mode"),
        lambda rule, mode: mode != "return" or _reads(columns.STEP_RETURNS)(rule),
        "it reads no step returns; set penalty_mode='row'",
    ),
    Condition(
        _PENALTIES,
        ("estimator", "penalty_mode"),
        lambda rule, mode: mode == "return" or _reads(columns.PENALTIES)(rule),
        "its `needs` do not name PENALTIES; name that column and take it off",
    ),
    Condition(
        ("anchor_threshold", "anchor_ratio"),
        ("anchor",),
        lambda anchor: anchor == "similar",
        "set anchor='similar'",
    ),
    Condition(
        _CRITIC, ("critic",), lambda critic: critic is not None, "set critic='head' or 'model'"
    ),
    Condition(
        ("overlong_penalty",),
        ("overlong_buffer_tokens",),
        lambda tokens: tokens != 0,
        "set how many tokens before the limit it begins",
    ),
    Condition(("max_resamples",), ("dynamic_sampling",), bool, "set dynamic_sampling=True"),
    Condition(
        # Not kl_estimator and kl_placement: a coefficient of 0 is the baseline of a search.
        ("kl_target", "kl_horizon"),
        ("kl_coeff",),
        lambda coeff: coeff != 0,
        "it needs a kl_coeff above 0",
    ),
    Condition(("kl_horizon",), ("kl_target",), lambda target: target is not None, "set kl_target"),
    Condition(
        ("importance_sampling",),
        ("old_logp",),
        lambda old_logp: old_logp != "rollout",
        "there the ratio itself corrects; set old_logp='recompute'",
    ),
    Condition(
        ("importance_cap", "importance_mask"),
        ("importance_sampling",),
        lambda kind: kind is not None,
        "set importance_sampling='token' or 'sequence'",
    ),
    Condition(
        ("weight_decay", "adam_betas", "adam_eps"),
        ("optimizer_name",),
        lambda name: name != "sgd",
        "set optimizer_name='adamw'",
    ),
    Condition(
        ("lr_decay_iterations", "lr_final_fraction"),
        ("lr_schedule",),
        lambda schedule: schedule != "constant",
        "set lr_schedule='linear' or 'cosine'",
    ),
)

"""Estimators by name: one small file and one line of `ESTIMATORS` each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from importlib import import_module
from typing import Any

from rllib_gigpo.credit.estimators.anchor_gae import AnchorGAE
from rllib_gigpo.credit.estimators.base import Advantages, Estimator, FunctionEstimator
from rllib_gigpo.credit.estimators.gigpo import GiGPO
from rllib_gigpo.credit.estimators.grpo import GRPO
from rllib_gigpo.credit.estimators.hgpo import HGPO
from rllib_gigpo.credit.estimators.ppo import PPO
from rllib_gigpo.credit.estimators.reinforce_pp import ReinforcePP
from rllib_gigpo.credit.estimators.rloo import RLOO
from rllib_gigpo.credit.estimators.step_reinforce import StepReinforce
from rllib_gigpo.errors import ConfigError

__all__ = [
    "ESTIMATORS",
    "GRPO",
    "HGPO",
    "PPO",
    "RLOO",
    "Advantages",
    "AnchorGAE",
    "Estimator",
    "EstimatorSpec",
    "GiGPO",
    "ReinforcePP",
    "StepReinforce",
    "columns_needed",
    "estimator_settings",
    "known_estimators",
    "make_estimator",
    "resolve_estimator",
    "settings_from",
    "settings_of_all",
]

# A known name, an import path "package.module:name", a subclass of Estimator, or a function.
EstimatorSpec = str | type[Estimator] | Callable[..., Any]

ESTIMATORS: Mapping[str, type[Estimator]] = {
    estimator.name: estimator
    for estimator in (GiGPO, GRPO, RLOO, ReinforcePP, StepReinforce, HGPO, AnchorGAE, PPO)
}


def known_estimators() -> list[str]:
    """The names that `resolve_estimator` knows, sorted."""
    return sorted(ESTIMATORS)


def resolve_estimator(estimator: EstimatorSpec) -> Callable[..., Estimator]:
    """Find what builds an estimator.

    Args:
        estimator: A known name, an import path ``"package.module:name"``, or the class or function
            itself.

    Returns:
        The class; for a function, what wraps it and takes no settings.

    Raises:
        ConfigError: Nothing has that name, or what has it is neither `Estimator` nor function.
    """
    if not isinstance(estimator, str):
        return _checked(estimator)
    if estimator in ESTIMATORS:
        return ESTIMATORS[estimator]
    module_name, _, name = estimator.partition(":")
    if not name:
        raise ConfigError(
            f"estimator={estimator!r} is unknown; known are {', '.join(known_estimators())}, and"
            ' any class or function by its import path, "package.module:name".'
        )
    try:
        return _checked(getattr(import_module(module_name), name))
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"estimator={estimator!r} cannot be imported: {error}") from error


def estimator_settings(estimator: EstimatorSpec) -> tuple[str, ...]:
    """Names of the settings that an estimator has; others would do nothing."""
    found = resolve_estimator(estimator)
    return tuple(field.name for field in fields(found)) if is_dataclass(found) else ()


def settings_of_all() -> frozenset[str]:
    """Names of the settings that some known estimator has."""
    return frozenset(name for known in ESTIMATORS for name in estimator_settings(known))


def settings_from(source: Any, estimator: EstimatorSpec) -> dict[str, Any]:
    """Read an estimator's settings from the attributes of ``source``, a config."""
    names = estimator_settings(estimator)
    return {name: getattr(source, name) for name in names if hasattr(source, name)}


def columns_needed(estimator: EstimatorSpec) -> frozenset[str] | None:
    """Names of the columns that an estimator reads; None for a function, which may read any."""
    return getattr(resolve_estimator(estimator), "needs", None)


def make_estimator(estimator: EstimatorSpec, settings: Mapping[str, Any]) -> Estimator:
    """Build an estimator.

    Args:
        estimator: As for `resolve_estimator`.
        settings: Values of settings that the estimator has.

    Returns:
        The estimator.

    Raises:
        ConfigError: The estimator is unknown or lacks one of the settings.
        ValueError: A setting has a bad value.
    """
    known = estimator_settings(estimator)
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ConfigError(
            f"estimator={estimator!r} has no setting {', '.join(unknown)}; it has"
            f" {', '.join(known) or 'none'}."
        )
    return resolve_estimator(estimator)(**settings)


def _checked(found: Any) -> Callable[..., Estimator]:
    if isinstance(found, type) and issubclass(found, Estimator):
        return found
    if callable(found) and not isinstance(found, type):
        return partial(FunctionEstimator, found)
    raise ConfigError(
        f"estimator={found!r} is neither a subclass of rllib_gigpo.credit.estimators.Estimator nor"
        " a function of the columns."
    )

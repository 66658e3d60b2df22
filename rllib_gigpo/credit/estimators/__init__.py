"""Estimators by name: one small file and one line of `ESTIMATORS` each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

from rllib_gigpo.credit.estimators.base import Advantages, Estimator
from rllib_gigpo.credit.estimators.gigpo import GiGPO
from rllib_gigpo.credit.estimators.grpo import GRPO
from rllib_gigpo.errors import ConfigError

__all__ = [
    "ESTIMATORS",
    "GRPO",
    "Advantages",
    "Estimator",
    "GiGPO",
    "estimator_settings",
    "known_estimators",
    "make_estimator",
    "resolve_estimator",
]

ESTIMATORS: Mapping[str, type[Estimator]] = {GiGPO.name: GiGPO, GRPO.name: GRPO}


def known_estimators() -> list[str]:
    """The names that `resolve_estimator` knows, sorted."""
    return sorted(ESTIMATORS)


def resolve_estimator(estimator: str | type[Estimator]) -> type[Estimator]:
    """Find an estimator's class.

    Args:
        estimator: A known name, an import path ``"package.module:Class"``, or the class itself.

    Returns:
        The class.

    Raises:
        ConfigError: Nothing has that name, or what has it is no `Estimator`.
    """
    if not isinstance(estimator, str):
        return _checked(estimator)
    if estimator in ESTIMATORS:
        return ESTIMATORS[estimator]
    module_name, _, class_name = estimator.partition(":")
    if not class_name:
        raise ConfigError(
            f"estimator={estimator!r} is unknown; known are {', '.join(known_estimators())}, and"
            ' any class by its import path, "package.module:Class".'
        )
    try:
        return _checked(getattr(import_module(module_name), class_name))
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"estimator={estimator!r} cannot be imported: {error}") from error


def estimator_settings(estimator: str | type[Estimator]) -> tuple[str, ...]:
    """Names of the settings that an estimator has; others would do nothing."""
    found = resolve_estimator(estimator)
    return tuple(field.name for field in fields(found)) if is_dataclass(found) else ()


def make_estimator(estimator: str | type[Estimator], settings: Mapping[str, Any]) -> Estimator:
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


def _checked(found: Any) -> type[Estimator]:
    if not (isinstance(found, type) and issubclass(found, Estimator)):
        raise ConfigError(
            f"estimator={found!r} is not a subclass of rllib_gigpo.credit.estimators.Estimator."
        )
    return found

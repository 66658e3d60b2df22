"""The settings, one file per topic; each field states its type, default, bound and meaning."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import BaseModel, ValidationError

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.options.section import Section, sentences

from . import credit, inference, loss, model, optimizer, prompts, runtime, tasks


class Settings(BaseModel, frozen=True):
    """All settings of a run, checked; the parts of the run are built from them."""

    model: model.ModelSection
    inference: inference.InferenceSection
    prompts: prompts.PromptSection
    tasks: tasks.TaskSection
    credit: credit.CreditSection
    loss: loss.LossSection
    optimizer: optimizer.OptimizerSection
    env_runners: runtime.EnvRunnerSection
    asynchrony: runtime.AsyncSection
    learners: runtime.LearnerSection
    reporting: runtime.ReportingSection


SECTIONS: dict[str, type[Section]] = {
    title: field.annotation  # type: ignore[misc]
    for title, field in Settings.model_fields.items()
}
FIELDS = {name: it for section in SECTIONS.values() for name, it in section.model_fields.items()}
_CHECKS = [
    check
    for module in (model, inference, prompts, tasks, credit, loss, runtime)
    for check in module.CHECKS
]


def read(config: Any, checks: list[Any] = _CHECKS) -> tuple[Settings | None, list[str]]:
    """Build all sections from the attributes of a config, with ``checks`` between settings.

    Returns:
        The settings, or None if there are mistakes; and a sentence on each mistake and its fix.
        A check between settings is skipped if one of them is already wrong.
    """
    built, mistakes = dict[str, Any](), list[str]()
    values = {name: value for name, value in vars(config).items() if name not in FIELDS}
    for title, section in SECTIONS.items():
        # A config from an older checkpoint lacks newer settings.
        fields = section.model_fields.items()
        given = {name: getattr(config, name, field.get_default()) for name, field in fields}
        try:
            built[title] = section(**given)
        except ValidationError as error:
            mistakes += sentences(error, section=section)
            values |= _right_ones(section, given, error)
        else:
            values |= dict(built[title])
    for check in checks:
        names = inspect.signature(check).parameters
        if all(name in values for name in names):
            mistakes += check(*(values[name] for name in names))
    return (None if mistakes else Settings(**built)), mistakes


def read_prompts(config: Any) -> prompts.PromptSection:
    """Build the settings of prompts alone, for a player that needs no model of ours.

    Raises:
        ConfigError: There are mistakes.
    """
    section = prompts.PromptSection
    try:
        return section(**{name: getattr(config, name) for name in section.model_fields})
    except ValidationError as error:
        refuse(list(sentences(error, section=section)))
        raise


def _right_ones(
    section: type[Section], given: dict[str, Any], error: ValidationError
) -> dict[str, Any]:
    """Return the valid values of a section that also has invalid ones."""
    wrong = {mistake["loc"][0] for mistake in error.errors(include_url=False)}
    right = {name: value for name, value in given.items() if name not in wrong}
    try:
        return {name: value for name, value in section(**right) if name in right}
    except ValidationError:  # a value is valid, but not with the default of another setting
        return {}


def refuse(mistakes: list[str]) -> None:
    """Raise a ConfigError that lists all mistakes, if there are any."""
    if mistakes:
        listed = "\n".join(f"  {number}. {text}" for number, text in enumerate(mistakes, 1))
        number = f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}"
        raise ConfigError(f"The config has {number}:\n{listed}")

"""The file ``gigpo.json`` in a saved model's folder: how to play with the model, as plain JSON.

With it, `rllib evaluate` and `rllib play` need nothing of the checkpoint's pickles. It holds the
environment's id and config and the settings of prompts, context, sampling and test tasks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from rllib_gigpo.checkpoints.torn_files import file_fault
from rllib_gigpo.config.sections import FIELDS
from rllib_gigpo.config.sections.prompts import PromptSection
from rllib_gigpo.config.sections.tasks import TaskSection
from rllib_gigpo.errors import CheckpointError
from rllib_gigpo.prompting.template import PromptTemplate

DESCRIPTION = "gigpo.json"

# No setting that names code, such as the engine: the file may come from a stranger.
_SETTINGS = (
    *PromptSection.model_fields,
    *TaskSection.model_fields,
    "chat_template_kwargs",
    "system_prompt",
    "max_prompt_tokens",
    "max_response_tokens",
    "eval_sampling",
)


@dataclass(frozen=True, slots=True)
class RunDescription:
    """How to play with a model."""

    env: str | None  # a Gymnasium id; None if it was a function or class, or if there is no file
    env_config: Mapping[str, Any]
    settings: Mapping[str, Any]
    left_out: tuple[str, ...] = ()  # settings of the run that JSON cannot hold


def write_description(config: Any, folder: Path) -> None:
    """Write how a run plays to its model's folder.

    Args:
        config: A `GiGPOConfig`.
        folder: The Hugging Face folder.
    """
    played = config.evaluated()
    values = {name: _plain(name, getattr(played, name)) for name in _SETTINGS}
    changed = {name: values[name] for name in values if not _is_default(name, values[name])}
    changed |= {"env": played.env, "env_config": dict(played.env_config)}
    stored = {name: value for name, value in changed.items() if is_json(value)}
    description = {
        "env": stored.pop("env", None),
        "env_config": stored.pop("env_config", {}),
        "settings": stored,
        "left_out": sorted(changed.keys() - {name for name in changed if is_json(changed[name])}),
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n")


def read_description(folder: Path) -> RunDescription:
    """Read a model folder's ``gigpo.json``; without the file, the description is empty.

    Raises:
        CheckpointError: The file is torn or not of this form.
    """
    file = folder / DESCRIPTION
    if not file.exists():
        return RunDescription(env=None, env_config={}, settings={})
    fault = file_fault(file)
    if fault:
        raise CheckpointError(f"{file} {fault}; delete it and pass --env and --set instead")
    mistake = next(_mistakes(json.loads(file.read_bytes())), None)
    if mistake:
        raise CheckpointError(f"{file} {mistake}")
    content = json.loads(file.read_bytes())
    return RunDescription(
        env=content.get("env"),
        env_config=content.get("env_config", {}),
        settings=content.get("settings", {}),
        left_out=tuple(content.get("left_out", ())),
    )


def _mistakes(content: Any) -> Iterator[str]:
    if not isinstance(content, dict):
        yield 'is not an object like {"env": ID, "env_config": {...}, "settings": {...}}'
        return
    unknown = content.keys() - {field.name for field in fields(RunDescription)}
    if unknown:
        yield f"has an unknown entry {min(unknown)!r}; move settings into 'settings'"
    if not isinstance(content.get("env"), str | None):
        yield "has an 'env' that is not the id of an environment"
    for name in ("env_config", "settings"):
        if not isinstance(content.get(name, {}), dict):
            yield f"has {name!r} that is not an object"
            return
    strange = content.get("settings", {}).keys() - set(_SETTINGS)
    if strange:
        yield f"may not set {min(strange)!r}; it may set {', '.join(_SETTINGS)}"


def _plain(name: str, value: Any) -> Any:
    """Return a value in the form that JSON holds; a template's file becomes its source."""
    if name == "template" and (isinstance(value, PromptTemplate) or value.endswith(".jinja")):
        return PromptTemplate.from_name_or_source(value).source
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return dict(value) if isinstance(value, Mapping) else value


def _is_default(name: str, value: Any) -> bool:
    return bool(value == FIELDS[name].get_default())


def is_json(value: Any) -> bool:
    """Return whether JSON can hold a value."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True

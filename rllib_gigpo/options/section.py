"""Sections of settings, and the messages for their mistakes.

A config stores plain values and dicts, so Tune, pickle and JSON see ordinary data. Validation
builds frozen sections from them, and the components of a run get these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.options.registry import FLAT, did_you_mean

# Prefix of pydantic's error type -> the message; the longest matching prefix wins.
_FIXES = {
    "bool": "must be True or False",
    "callable": "must be a function",
    "dataclass_type": "must be a dict of its options",
    "dict": "must be a dict",
    "finite": "must be a finite number",
    "float": "must be a number",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "int": "must be a whole number",
    "is_instance_of": "must be a {class}",
    "less_than_equal": "must be at most {le:g}",
    "literal": "is not one of {expected}",
    "string": "must be text",
}


# A path, given as str or as Path.
PathText = Annotated[str, BeforeValidator(lambda v: str(v) if isinstance(v, PurePath) else v)]


class Section(BaseModel):
    """Frozen settings of one topic; a subclass declares them as fields."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        validate_default=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the names of the settings, so variants reject them as options."""
        FLAT.update(cls.model_fields)


def setting(default: Any, meaning: str, **bounds: Any) -> Any:
    """Declare a field: its default, its meaning with the unit, and pydantic bounds (``ge=1``)."""
    return Field(default, description=meaning, **bounds)


def sentences(error: ValidationError, *path: str, section: type[Section]) -> Iterator[str]:
    """Yield one message for each of pydantic's errors.

    Args:
        error: The exception that pydantic raised.
        *path: Names of the settings that lead to the checked value; none for the section itself.
        section: The section.
    """
    for mistake in error.errors(include_url=False):
        # The parts that are not names say which member of a union pydantic tried.
        tried = [part for part in map(str, mistake["loc"]) if part.isidentifier()]
        names = [*path, *tried]
        name, kind, context = ".".join(names), mistake["type"], mistake.get("ctx", {})
        cause = context.get("error")
        if isinstance(cause, ValidationError):  # from the options of a variant
            yield from sentences(cause, *names, section=section)
        elif isinstance(cause, ConfigError):  # already a good message
            yield from str(cause).splitlines()
        elif cause is not None:
            option, is_named, _ = str(cause).split(" ")[0].partition("=")
            is_flat = option in FLAT  # such as clip_param, which fills a field of a loss
            yield str(cause) if is_flat else f"{name}{'.' if is_named else ': '}{cause}"
        elif kind in ("extra_forbidden", "unexpected_keyword_argument"):
            yield f"{name} is not an option{_near(section, names)}"
        elif kind == "missing":
            yield f"{name} has no default; set it"
        else:
            fixes = [_FIXES[one] for one in sorted(_FIXES, key=len) if kind.startswith(one)]
            fix = (fixes or [mistake["msg"]])[-1].format(**context)
            hint = section.model_fields[names[0]].annotation
            or_none = " or None" if len(names) == 1 and type(None) in get_args(hint) else ""
            yield f"{name}={mistake['input']!r} {fix}{or_none}"


def _near(section: type[Section], names: list[str]) -> str:
    """Return the similar or known options, or say that the name is a setting."""
    if names[-1] in FLAT:
        return f" but a separate setting; set {names[-1]}=... outside of {names[0]}"
    hint = section.model_fields[names[0]].annotation
    owner = next((one for one in (hint, *get_args(hint)) if is_dataclass(one)), None)
    known = [field.name for field in fields(owner)] if owner else []
    return did_you_mean(names[-1], known) or (f"; use one of {', '.join(known)}" if known else "")

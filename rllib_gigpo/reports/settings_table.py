"""Table rows of settings, made from the fields of sections and the docstrings of options."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from rllib_gigpo.options.records import Options
from rllib_gigpo.options.registry import Registry
from rllib_gigpo.options.section import Section

REQUIRED = "required"
_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


@dataclasses.dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting, or one option of a nested setting.

    Attributes:
        name: Dotted name, such as "kl.target", or "rule.hgpo.anchor_context" for an option of a
            variant.
        type: Type in Python's words.
        default: Default as Python writes it; `REQUIRED` if there is none.
        bounds: Bounds such as ">= 1"; "" if there are none, or if the meaning states them.
        meaning: Meaning in one or more sentences.
    """

    name: str
    type: str
    default: str
    bounds: str
    meaning: str


def setting_rows(section: type[Section]) -> list[SettingRow]:
    """List the settings of a section, each followed by its options."""
    hints = get_type_hints(section)
    return [
        row
        for name, field in section.model_fields.items()
        for row in (_field_row(name, field, hints[name]), *_option_rows(name, field, hints[name]))
    ]


def _field_row(name: str, field: FieldInfo, hint: Any) -> SettingRow:
    bounds = [
        f"{sign} {getattr(one, key):g}"
        for one in (*field.metadata, *_of_members(field.annotation))
        for key, sign in _SIGNS.items()
        if hasattr(one, key)
    ]
    registry = next((one for one in field.metadata if isinstance(one, Registry)), None)
    kind = type_text(hint) if registry is None else f"one of {', '.join(registry.names())}"
    return SettingRow(
        name, kind, repr(field.get_default()), ", ".join(bounds), field.description or ""
    )


def _of_members(hint: Any) -> list[Any]:
    """Return the bounds of the members of a union, such as "int above 0, or None"."""
    return [mark for one in get_args(hint) for mark in getattr(one, "__metadata__", ())]


def _option_rows(name: str, field: FieldInfo, hint: Any) -> Iterator[SettingRow]:
    for mark in field.metadata:
        if isinstance(mark, Registry):
            for variant in mark.known.values():
                prefix = f"{name}.{variant.name}"
                yield from _rows_of_options(prefix, variant, without=mark.given)
    yield from _rows_of_nested(name, hint)


def _rows_of_nested(name: str, hint: Any) -> Iterator[SettingRow]:
    for part in (hint, *get_args(hint)):
        if isinstance(part, type) and issubclass(part, Options):
            yield from _rows_of_options(name, part)


def _rows_of_options(
    prefix: str, cls: Any, *, without: tuple[str, ...] = ()
) -> Iterator[SettingRow]:
    meanings, hints = attribute_meanings(cls), get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if field.name in without:
            continue
        name, hint = f"{prefix}.{field.name}", hints[field.name]
        yield SettingRow(
            name, type_text(hint), _default_text(field), "", meanings.get(field.name, "")
        )
        yield from _rows_of_nested(name, hint)


def _default_text(field: dataclasses.Field) -> str:
    if field.default is dataclasses.MISSING:
        return REQUIRED
    is_record = dataclasses.is_dataclass(field.default)
    return repr(dataclasses.asdict(field.default) if is_record else field.default)


def attribute_meanings(cls: type) -> dict[str, str]:
    """Read the "Attributes:" docs of a class and its bases, one line per attribute."""
    meanings: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        section = inspect.cleandoc(one.__doc__ or "").partition("\nAttributes:\n")[2]
        for entry in re.split(r"\n(?=    \w)", section.rstrip()):
            name, _, text = entry.strip().partition(": ")
            if text:
                meanings[name] = " ".join(text.split())
    return meanings


def type_text(hint: Any) -> str:
    """Write a type hint as people would: "int or None", "'a', 'b'"."""
    if hint is type(None):
        return "None"
    if get_origin(hint) is Literal:
        return ", ".join(map(repr, get_args(hint)))
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(type_text(one) for one in get_args(hint))
    if isinstance(hint, type) and issubclass(hint, Options):
        return f"dict or {hint.__name__}"
    if hint is Any:
        return "any"
    return getattr(
        hint, "__name__", str(hint).replace("typing.", "").replace("collections.abc.", "")
    )

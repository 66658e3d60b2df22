"""Merges new options into the current value of a nested setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, get_args

from pydantic.fields import FieldInfo

from rllib_gigpo.options.records import Options, is_options
from rllib_gigpo.options.registry import NAME, Registry


def merged(field: FieldInfo, standing: Any, new: Any) -> Any:
    """Merge a dict of options into the value of a setting; anything else replaces the value.

    A dict that names another variant replaces the value too, because options do not carry over from
    one variant to another.

    Args:
        field: The setting.
        standing: Its current value.
        new: Its new value, or some of its options.

    Returns:
        The merged value.
    """
    kinds = [
        one
        for one in (*field.metadata, field.annotation, *get_args(field.annotation))
        if isinstance(one, Registry) or (isinstance(one, type) and issubclass(one, Options))
    ]
    if not is_options(new) or not kinds:
        return new
    standing = kinds[0].expanded(standing)
    if isinstance(kinds[0], Registry) and _is_other(new, standing, kinds[0]):
        return dict(new)
    return _merge(standing, new)


def _is_other(new: Mapping[str, Any], standing: Mapping[str, Any], registry: Registry) -> bool:
    """Check whether options name a variant other than the current one."""
    names = (new.get(NAME, standing[NAME]), standing[NAME])
    one, other = (registry.known.get(x, x) if isinstance(x, str) else x for x in names)
    return one != other


def _merge(standing: Any, new: Mapping[str, Any]) -> dict[str, Any]:
    if is_dataclass(standing) and not isinstance(standing, type):
        standing = asdict(standing)
    both = dict(standing) if is_options(standing) else {}
    parts = {key: _merge(both.get(key), value) for key, value in new.items() if is_options(value)}
    return {**both, **new, **parts}

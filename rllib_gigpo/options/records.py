"""Records of options: the checked form of nested dicts such as ``kl={"target": 0.1}``."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

_BOUNDS = {
    ">": (operator.gt, "above"),
    ">=": (operator.ge, "at least"),
    "<": (operator.lt, "below"),
    "<=": (operator.le, "at most"),
}


class Options:
    """Base of the frozen dataclasses that a config reads from dicts.

    Attributes:
        short: Name of the option that a plain string sets; None if a string is not accepted.
        can_be_true: Whether True means all defaults.
    """

    __slots__ = ()
    short: ClassVar[str | None] = None
    can_be_true: ClassVar[bool] = False
    # When pydantic reads a dict, unknown options and wrong types are mistakes.
    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid",
        "strict": True,
        "allow_inf_nan": False,
    }

    @classmethod
    def expanded(cls, value: Any) -> Any:
        """Convert a value, which may be an object, to a dict of options, which can be checked."""
        if isinstance(value, cls):
            return {field.name: getattr(value, field.name) for field in fields(value)}  # type: ignore[arg-type]
        if value is True and cls.can_be_true:
            return {}
        return {cls.short: value} if cls.short and isinstance(value, str) else value

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Make pydantic expand a value before it validates it."""
        from pydantic_core import core_schema

        schema = handler(source)
        # The types of the options are strict, but a dict may stand for the record itself.
        handler.resolve_ref_schema(schema)["strict"] = False
        return core_schema.no_info_before_validator_function(cls.expanded, schema)


class NotStrict:
    """Annotation of an option that also takes other forms of its type, as in JSON: lists as tuples.

    It does the same as pydantic's ``Strict(False)``, but records must load where pydantic is not.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Make pydantic convert the value."""
        return {**handler(source), "strict": False}


def require(options: Any, **bounds: str) -> None:
    """Check numbers against bounds; None always passes.

    Args:
        options: The object that has the numbers as attributes.
        **bounds: Name -> bounds, such as ``"> 0"`` or ``">= 0, < 1"``.

    Raises:
        ValueError: Some numbers are out of bounds; the message lists them all.
    """
    mistakes = [
        f"{name}={getattr(options, name)!r} must be {word} {limit}"
        for name, text in bounds.items()
        for sign, limit in (bound.split() for bound in text.split(", "))
        for holds, word in [_BOUNDS[sign]]
        if getattr(options, name) is not None and not holds(getattr(options, name), float(limit))
    ]
    if mistakes:
        raise ValueError("; ".join(mistakes))


def is_options(value: Any) -> bool:
    """Check whether a value is a dict of options, and not a grid search of Tune."""
    return isinstance(value, Mapping) and "grid_search" not in value

"""Records of options: what a nested dict of settings becomes, such as ``kl={"target": 0.1}``."""

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
    """Base of frozen dataclasses that are read from a dict in a config.

    Attributes:
        short: The option that text alone stands for; None where text alone is not taken.
        can_be_true: Whether True stands for all defaults.
    """

    __slots__ = ()
    short: ClassVar[str | None] = None
    can_be_true: ClassVar[bool] = False
    # pydantic, where it reads a dict: unknown options are mistakes, and so are other types.
    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid",
        "strict": True,
        "allow_inf_nan": False,
    }

    @classmethod
    def expanded(cls, value: Any) -> Any:
        """Write a value as a dict of options, an object too, so that it is checked as one."""
        if isinstance(value, cls):
            return {field.name: getattr(value, field.name) for field in fields(value)}  # type: ignore[arg-type]
        if value is True and cls.can_be_true:
            return {}
        return {cls.short: value} if cls.short and isinstance(value, str) else value

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let pydantic expand a value before it reads it."""
        from pydantic_core import core_schema

        schema = handler(source)
        # The options are strict; a record itself may be given as a dict.
        handler.resolve_ref_schema(schema)["strict"] = False
        return core_schema.no_info_before_validator_function(cls.expanded, schema)


def require(options: Any, **bounds: str) -> None:
    """Check numbers against bounds; None has none.

    Args:
        options: What has the numbers as attributes.
        **bounds: Name -> bounds, such as ``"> 0"`` or ``">= 0, < 1"``.

    Raises:
        ValueError: A number is out of its bounds; names all that are.
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
    """Whether a value is a dict of options, and not one that Tune searches over."""
    return isinstance(value, Mapping) and "grid_search" not in value

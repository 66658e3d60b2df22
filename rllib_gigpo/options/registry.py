"""Registries of variants: how a setting such as ``rule="hgpo"`` becomes an object.

A variant is given as a name, an import path ``"package.module:name"``, a class or function, a dict
``{"name": <one of these>, **options}``, or a ready object. Its options are the fields of its class,
so options of another variant are mistakes.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar

from rllib_gigpo.errors import ConfigError

T = TypeVar("T")
NAME = "name"
# Types that count as functions; other callables, such as objects with __call__, do not.
_FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    functools.partial,
)
FLAT: set[str] = set()  # names of the settings that are not options; each section adds its own


class Registry(Generic[T]):
    """The variants of one setting; custom ones can be given by import path, class or object."""

    def __init__(
        self,
        setting: str,
        base: Any,
        known: Iterable[Any],
        *,
        given: tuple[str, ...] = (),
        wrap: Callable[..., T] | None = None,
    ) -> None:
        """List the variants.

        Args:
            setting: Name of the setting, for messages.
            base: The base class of every variant.
            known: Classes with a ``name``; the first is the default for a dict without a name.
            given: Flat settings that fill the fields of the same names in a variant.
            wrap: Makes a variant from a plain function; None if functions are not accepted.
        """
        self.setting = setting
        self.base = base
        self.known = {one.name: one for one in known}
        self.given = given
        self._wrap = wrap

    def names(self) -> list[str]:
        """Return the known names, sorted."""
        return sorted(self.known)

    def find(self, name: Any) -> Callable[..., T]:
        """Find the class, or the wrapped function, that builds a variant.

        Args:
            name: A known name, an import path, a class or a function.

        Returns:
            A callable that takes the options and returns the variant.

        Raises:
            ConfigError: It does not exist, or it is neither a class of variants nor a function.
        """
        if not isinstance(name, str):
            return self._checked(name)
        if name in self.known:
            return self.known[name]
        if ":" not in name:
            raise ConfigError(
                f"{self.setting}={name!r} is unknown; use one of {', '.join(self.names())}, or the"
                f" import path of your own, 'package.module:name'{did_you_mean(name, self.known)}"
            )
        return self._checked(import_object(name, setting=self.setting))

    def build(self, spec: Any, given: Mapping[str, Any] | None = None) -> T:
        """Build a variant.

        Args:
            spec: The variant, in any of the five forms above.
            given: Values of the flat settings.

        Returns:
            The variant.

        Raises:
            ConfigError: The variant is unknown, it has no such option, or an option is a flat
                setting.
            ValueError: An option has an invalid value.
        """
        variant, options = self._parts(spec, given or {})
        return variant(**options)

    def expanded(self, value: Any, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Convert a value to a dict of its name and options.

        Raises:
            ConfigError: The value is an object whose field of a flat setting has neither the
                default value nor that of ``given``.
        """
        if not dataclasses.is_dataclass(value) or isinstance(value, type):
            default = next(iter(self.known))
            return {NAME: default, **value} if isinstance(value, Mapping) else {NAME: value}
        fields = [field for field in dataclasses.fields(value) if field.init]
        for field in fields:
            allowed = (field.default, (given or {}).get(field.name, field.default))
            if field.name in self.given and getattr(value, field.name) not in allowed:
                raise ConfigError(self._belongs_elsewhere(field.name))
        options = {one.name: getattr(value, one.name) for one in fields}
        own = {name: option for name, option in options.items() if name not in self.given}
        return {NAME: type(value), **own}

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Make pydantic build the variant for an annotated field, and check its option types."""
        from pydantic_core import core_schema

        return core_schema.with_info_plain_validator_function(self._read)

    def _read(self, value: Any, info: Any) -> T:
        """Build a variant; ``info`` has the values of the fields before this one."""
        from pydantic_core import SchemaValidator

        variant, options = self._parts(value, info.data)
        schema = _dataclass_schema(variant) if dataclasses.is_dataclass(variant) else None
        if schema is None:
            try:
                return variant(**options)
            except TypeError as error:  # pydantic does not catch TypeError
                raise ConfigError(f"{self.setting}: {error}") from error
        # The types of the options are strict, but a dict stands for the variant itself.
        config = {"strict": True, "allow_inf_nan": False, **schema.get("config", {})}
        validator = SchemaValidator({**schema, "config": config, "strict": False})
        return validator.validate_python(options)

    def _parts(self, spec: Any, values: Mapping[str, Any]) -> tuple[Callable[..., T], dict]:
        """Return the callable that builds the variant, and all of its options."""
        given = {name: values[name] for name in self.given if name in values}
        if isinstance(spec, self.base) and not dataclasses.is_dataclass(spec):
            return lambda: spec, {}
        options = self.expanded(spec, given)
        variant = self.find(options.pop(NAME))
        known = option_names(variant)
        own = [name for name in known if name not in self.given]
        mistakes = [
            self._belongs_elsewhere(name)
            if name in FLAT or name in self.given
            else f"{self.setting}: {_name_of(variant)} has no option {name!r}; it has"
            f" {', '.join(own) or 'none'}{did_you_mean(name, own)}"
            for name in options
            if name not in own
        ]
        if mistakes:
            raise ConfigError("\n".join(mistakes))
        return variant, {**{name: given[name] for name in known if name in given}, **options}

    def _belongs_elsewhere(self, name: str) -> str:
        return f"{self.setting}: {name} is a separate setting; set {name}=... outside of it"

    def _checked(self, found: Any) -> Callable[..., T]:
        if isinstance(found, type) and issubclass(found, self.base):
            return found
        if self._wrap is not None and isinstance(found, _FUNCTIONS):
            return functools.partial(self._wrap, found)
        functions = " or function" if self._wrap else ""
        raise ConfigError(
            f"{self.setting}={found!r} must be one of {', '.join(self.names())}, or your own class"
            f"{functions}; derive a class from {self.base.__module__}.{self.base.__name__}"
        )


@functools.cache
def _dataclass_schema(variant: Any) -> Any:
    """Return pydantic's schema of a dataclass; None if it cannot check one of the types."""
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation

    try:
        return TypeAdapter(variant).core_schema
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation):
        return None


def option_names(variant: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a class's options: the fields of a dataclass, or else the keywords."""
    if dataclasses.is_dataclass(variant):
        return tuple(field.name for field in dataclasses.fields(variant) if field.init)
    parameters = inspect.signature(variant).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(one.name for one in parameters if one.kind in kinds)


def _name_of(variant: Any) -> str:
    return repr(getattr(variant, NAME, getattr(variant, "__name__", "a function")))


def import_object(path: str, *, setting: str) -> Any:
    """Import ``"package.module:name"``.

    Raises:
        ConfigError: It cannot be imported.
    """
    module_name, _, name = path.partition(":")
    if not name:
        raise ConfigError(
            f"{setting}={path!r} must be 'module:name', such as {_with_colon(path)!r}"
        )
    try:
        return getattr(import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{setting}={path!r} cannot be imported: {error}") from error


def _with_colon(path: str) -> str:
    """Return what a path without a colon may mean: "a.b.c" is "a.b:c"."""
    module, _, name = path.rpartition(".")
    return f"{module or 'my_module'}:{name}"


def did_you_mean(name: str, known: Iterable[str], *, most: int = 3) -> str:
    """Return a "did you mean" clause with the most similar known names; "" if there are none."""
    close = difflib.get_close_matches(name, known, n=most)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""

"""`Tool`: what an agent may call, and the tools that methods make."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import json
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from ..contract import TOOL_ERROR
from ..info_fence import described
from .call_space import parameters_of
from .docstrings import read_docstring

_EMPTY = inspect.Parameter.empty


class Tool(ABC):
    """A tool.

    Attributes:
        name: Its name.
        schema: What the model is told: a function in OpenAI's form, with ``name``,
            ``description`` and ``parameters`` (a JSON schema), if it takes any.
    """

    name: str
    schema: dict[str, Any]

    @abstractmethod
    def call(self, arguments: Mapping[str, Any]) -> str:
        """Call the tool and return what the agent sees; its mistakes are told, not raised."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of its parameters."""
        return tuple(parameters_of(self.schema["function"]).get("properties", ()))

    @property
    def signature(self) -> str:
        """How to call it, such as ``add(a: integer, b: integer = 1)``."""
        parameters = parameters_of(self.schema["function"])
        required = parameters.get("required", ())
        shown = (
            f"{name}: {_kind(one)}" + ("" if name in required else " (optional)")
            for name, one in parameters.get("properties", {}).items()
        )
        return f"{self.name}({', '.join(shown)})"

    def refusal(self, reasons: Sequence[str]) -> str:
        """Return what the agent sees if its arguments are wrong."""
        return f"{TOOL_ERROR} {'; '.join(reasons)}. The tool is {self.signature}."

    def misfits(self, arguments: Mapping[str, Any], *, any_name: bool = False) -> Iterator[str]:
        """Yield what is missing and what is unknown among arguments."""
        known = self.parameters
        for name in parameters_of(self.schema["function"]).get("required", ()):
            if name not in arguments:
                yield f"the argument {name!r} is missing"
        for name in arguments:
            if name not in known and not any_name:
                close = difflib.get_close_matches(name, known, n=1)
                yield f"there is no argument {name!r}" + (
                    f" (did you mean {close[0]!r}?)" if close else ""
                )


class MethodTool(Tool):
    """A tool that calls a method: its type hints are the schema, and check and convert arguments.

    Args:
        name: The name of the attribute; the method's own may be another, as under a decorator.
        method: The bound method.
        wait: Waits for what an async method returns.

    Raises:
        ValueError: The method takes ``*args``, or a type hint has no JSON schema.
    """

    def __init__(
        self, name: str, method: Callable[..., Any], *, wait: Callable[[Any], Any]
    ) -> None:
        self.name = name
        self._method, self._wait = method, wait
        description, told = read_docstring(method)
        self._adapters: dict[str, TypeAdapter[Any]] = {}
        self._takes_any = False
        properties, required = dict[str, Any](), list[str]()
        hints = _hints(name, method)
        for parameter in inspect.signature(method).parameters.values():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                self._takes_any = True
                continue
            if parameter.kind in (
                inspect.Parameter.VAR_POSITIONAL,
                inspect.Parameter.POSITIONAL_ONLY,
            ):
                raise ValueError(
                    f"The tool {self.name} takes {parameter}, but agents name their arguments."
                    " Give it named parameters, or a name that begins with an underscore."
                )
            adapter = _adapter(hints.get(parameter.name, Any))
            self._adapters[parameter.name] = adapter
            properties[parameter.name] = self._property(parameter, told.get(parameter.name, ""))
            if parameter.default is _EMPTY:
                required.append(parameter.name)
        self.schema = _function_schema(
            self.name,
            description,
            {"type": "object", "properties": properties, "required": required},
        )

    def call(self, arguments: Mapping[str, Any]) -> str:
        """See the base class; what the method raises is told with its class and text."""
        reasons = list(self.misfits(arguments, any_name=self._takes_any))
        values = dict[str, Any]()
        for name, value in arguments.items():
            try:
                values[name] = self._converted(name, value)
            except ValidationError as error:
                reasons.append(f"the argument {name!r} {_reason(error)}")
        if reasons:
            return self.refusal(reasons)
        try:
            return result_text(self._wait(self._method(**values)))
        except Exception as error:  # the tool's own code may raise anything
            return f"{TOOL_ERROR} {self.signature} failed with {described(error)}"

    def _property(self, parameter: inspect.Parameter, description: str) -> dict[str, Any]:
        try:
            schema = _plain_schema(self._adapters[parameter.name].json_schema())
        except PydanticUserError as error:
            raise ValueError(
                f"The parameter {parameter.name!r} of the tool {self.name} has a type without a"
                f" JSON schema: {error.message}. Use types such as int, str, list[str] or a"
                " dataclass."
            ) from error
        if description:
            schema["description"] = description
        if parameter.default is not _EMPTY and _is_plain(parameter.default):
            schema["default"] = parameter.default
        return schema

    def _converted(self, name: str, value: Any) -> Any:
        """Return an argument in its type; a text that spells a value in JSON will do."""
        adapter = self._adapters.get(name)
        if adapter is None:
            return value
        try:
            return adapter.validate_python(value)
        except ValidationError:
            if not isinstance(value, str):
                raise
            try:
                return adapter.validate_json(value)
            except ValidationError:
                pass
            raise


def result_text(result: Any) -> str:
    """Return what the agent sees of a result: text as it is, data as JSON, and else its text.

    Sets are sorted, because their order differs from process to process.
    """
    if isinstance(result, str):
        return result
    if result is None:
        return "Done."
    try:
        return json.dumps(_as_data(result), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return str(result)


def _as_data(value: Any) -> Any:
    """Return what JSON can write; raise TypeError for the rest."""
    if isinstance(value, set | frozenset):
        return sorted((_as_data(one) for one in value), key=lambda one: (type(one).__name__, one))
    if isinstance(value, Mapping):
        return {key: _as_data(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_as_data(one) for one in value]
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _as_data(dataclasses.asdict(value))
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(type(value).__name__)


def _function_schema(name: str, description: str, parameters: dict[str, Any]) -> dict[str, Any]:
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def _hints(name: str, method: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(method, include_extras=True)
    except Exception as error:  # a hint may name anything
        raise ValueError(
            f"The type hints of the tool {name} cannot be read: {described(error)}."
        ) from error


def _adapter(hint: Any) -> TypeAdapter[Any]:
    config = ConfigDict(coerce_numbers_to_str=True, arbitrary_types_allowed=True)
    try:
        return TypeAdapter(hint, config=config)
    except PydanticUserError:  # a model or a dataclass has its own config
        return TypeAdapter(hint)


def _plain_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without titles and references; an optional type is the type itself."""
    named = schema.get("$defs", {})

    def plain(value: Any, seen: tuple[str, ...] = ()) -> Any:
        if isinstance(value, list):
            return [plain(one, seen) for one in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            key = value["$ref"].rpartition("/")[2]
            return {} if key in seen else plain(named[key], (*seen, key))
        kinds = [one for one in value.get("anyOf", ()) if one != {"type": "null"}]
        if len(kinds) == 1:
            value = {**{key: one for key, one in value.items() if key != "anyOf"}, **kinds[0]}
        return {
            key: plain(one, seen)
            for key, one in value.items()
            if key != "$defs" and not (key in ("title", "default") and not isinstance(one, dict))
        }

    return plain(schema)


def _kind(schema: Mapping[str, Any]) -> str:
    """Return the type of a parameter in a few words."""
    if "enum" in schema:
        return " or ".join(map(repr, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    return str(schema.get("type", "any"))


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    place = "".join(f"[{part!r}]" for part in first["loc"])
    message = first["msg"][:1].lower() + first["msg"][1:]
    return f"is wrong{' at ' + place if place else ''}: {message} (got {first['input']!r})"


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)

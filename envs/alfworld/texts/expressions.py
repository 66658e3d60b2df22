"""The little expressions in ALFWorld's grammar, such as ``o.indefinite + ' ' + o.name``."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_ATTRIBUTES = ("id", "type", "name", "definite", "indefinite")


@dataclass(frozen=True, slots=True)
class Entity:
    """A thing of the game, as the grammar speaks of it."""

    id: str  # in the PDDL: apple_bar__plus_00_dot_59...
    type: str  # of the PDDL: object, receptacle, location, agent, otype, rtype
    name: str  # on the screen: apple 1
    definite: str = "the"
    indefinite: str = "a"

    def __str__(self) -> str:
        """The name: an expression may be the thing alone."""
        return self.name


Value = str | Entity
Expression = Callable[[Mapping[str, Entity]], Value]


def compile_expression(source: str) -> Expression:
    """Return a function of the bound entities that gives the expression's value.

    Only names, their attributes, strings, ``+`` and ``or`` are read: the engine itself would run
    any Python, which a data file should not be able to ask for.

    Raises:
        ValueError: If the source holds anything else.
    """
    try:
        return _compile(ast.parse(source.strip(), mode="eval").body)
    except SyntaxError as error:
        raise ValueError(f"the grammar's expression {source!r} cannot be read: {error}") from error


def _compile(node: ast.expr) -> Expression:
    match node:
        case ast.Constant(value=str() as text):
            return lambda bound: text
        case ast.Name(id=name):
            return lambda bound: bound[name]
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if attribute in _ATTRIBUTES:
            return lambda bound: getattr(bound[name], attribute)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            first, second = _compile(left), _compile(right)
            return lambda bound: f"{first(bound)}{second(bound)}"
        case ast.BoolOp(op=ast.Or(), values=values):
            choices = [_compile(value) for value in values]
            return lambda bound: next(
                (value for choice in choices[:-1] if (value := choice(bound))), choices[-1](bound)
            )
    raise ValueError(f"the grammar's expression {ast.unparse(node)!r} is of an unknown kind")
